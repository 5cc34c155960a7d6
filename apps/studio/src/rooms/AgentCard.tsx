import type { Agent } from "@antiphon/client";
import { AgentAvatar } from "./AgentAvatar";
import { agentChip, agentWords, readyWords } from "./agent_words";

/** One agent to choose: what it is, and whether it can answer now. */
export function AgentCard({ agent, onChoose }: { agent: Agent; onChoose: (id: string) => void }) {
  return (
    <button
      type="button"
      className="agent-card"
      data-testid="agent-card"
      data-agent={agent.id}
      data-kind={agent.kind}
      data-ready={agent.ready}
      onClick={() => onChoose(agent.id)}
    >
      <AgentAvatar name={agent.name} />
      <span className="agent-body">
        <span className="agent-head">
          <span className="agent-name">{agent.name}</span>
          <span className="chip">{agentChip(agent)}</span>
        </span>
        <span className="agent-words">{agentWords(agent)}</span>
        <span className="agent-model">
          {agent.kind !== "script" && <code>{agent.model}</code>}
          {typeof agent.tokensPerSecond === "number" && (
            <span>{Math.round(agent.tokensPerSecond)} tokens/s</span>
          )}
          <span className="readiness" data-ready={agent.ready}>
            {readyWords(agent)}
          </span>
        </span>
      </span>
    </button>
  );
}
