import { useConnection } from "@antiphon/react";
import { connectionDetails, connectionWord } from "./connection_words";
import { useOnline } from "./use_online";

/** How the page stands with the server, in a dot and a word. */
export function ConnectionIndicator() {
  const state = useConnection();
  const isOnline = useOnline();
  return (
    <span
      className="connection"
      data-testid="connection-state"
      data-status={state.status}
      data-transport={state.transport ?? ""}
      title={connectionDetails(state)}
    >
      <span className="dot" aria-hidden="true" />
      <span className="connection-word">{connectionWord(state, isOnline)}</span>
      {state.status === "live" && state.transport === "sse" && <span className="connection-way">SSE</span>}
    </span>
  );
}
