import type { Agent } from "@antiphon/client";
import { Icon } from "../app/Icon";
import { ConnectionIndicator } from "../connection/ConnectionIndicator";
import { DeleteRoom } from "../rooms/DeleteRoom";
import { agentChip } from "../rooms/agent_words";

type RoomHeaderProps = {
  agent: Agent | undefined;
  heading: string;
  title: string;
  hasCues: boolean;
  isInspecting: boolean;
  isGone: boolean;
  onCues: () => void;
  onInspect: () => void;
  onMenu: () => void;
  onDelete: () => void;
};

/** Whom the person talks with, how the connection is, and what can be switched. */
export function RoomHeader(props: RoomHeaderProps) {
  const { agent, hasCues, isInspecting } = props;
  return (
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
      <div className="bar-title">
        <h1>{props.heading}</h1>
        {agent && (
          <p>
            {agentChip(agent)}
            {agent.kind !== "script" && <span className="only-wide"> · {agent.model}</span>}
          </p>
        )}
      </div>
      <ConnectionIndicator />
      <button
        type="button"
        className="icon-button"
        data-testid="cues-toggle"
        aria-pressed={hasCues}
        aria-label="Show markers in the text"
        title={hasCues ? "Hide the markers in the text" : "Show the markers in the text"}
        onClick={props.onCues}
      >
        <Icon name="face" />
      </button>
      <button
        type="button"
        className="icon-button"
        data-testid="inspector-toggle"
        aria-expanded={isInspecting}
        aria-label="Inspector"
        title="Latency and events"
        onClick={props.onInspect}
      >
        <Icon name="activity" />
      </button>
      {!props.isGone && <DeleteRoom title={props.title} onDelete={props.onDelete} />}
    </header>
  );
}
