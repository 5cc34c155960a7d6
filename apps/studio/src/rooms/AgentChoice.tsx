import type { Agent } from "@antiphon/client";
import { Icon } from "../app/Icon";
import { ConnectionIndicator } from "../connection/ConnectionIndicator";
import { AgentCard } from "./AgentCard";

/** Where a conversation begins: who is there to talk with. */
export function AgentChoice(props: {
  agents: readonly Agent[] | undefined;
  onChoose: (id: string) => void;
  onMenu: () => void;
}) {
  return (
    <>
      <header className="bar">
        <button
          type="button"
          className="icon-button only-narrow"
          data-testid="sidebar-toggle"
          aria-label="Open the list of conversations"
          onClick={props.onMenu}
        >
          <Icon name="menu" />
        </button>
        <div className="bar-space" />
        <ConnectionIndicator />
      </header>
      <main className="choice">
        <div className="choice-inner">
          <h1>Who would you like to talk with?</h1>
          <p className="lead">
            Answers arrive word by word, with cues for the face, the hands and the voice at the right word.
            Interrupt whenever you like.
          </p>
          <ul className="agents" aria-label="Agents" aria-busy={props.agents === undefined}>
            {props.agents?.map((agent) => (
              <li key={agent.id}>
                <AgentCard agent={agent} onChoose={props.onChoose} />
              </li>
            ))}
            {props.agents === undefined &&
              [0, 1].map((at) => <li key={at} className="agent-card skeleton" />)}
          </ul>
          {props.agents?.length === 0 && <p>No agent is set up on this server yet.</p>}
        </div>
      </main>
    </>
  );
}
