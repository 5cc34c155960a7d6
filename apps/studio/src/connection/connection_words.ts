import type { ConnectionState } from "@antiphon/client";

/** The connection in one word. */
export function connectionWord(state: ConnectionState, isOnline: boolean): string {
  if (state.status === "live") return "Live";
  if (!isOnline) return "Offline";
  return { connecting: "Connecting", reconnecting: "Reconnecting", closed: "Disconnected" }[state.status];
}

/** How it goes on while the connection is away; `now` in milliseconds, as `retryAt`. */
export function awayWords(state: ConnectionState, isOnline: boolean, now: number): string {
  if (!isOnline) return "You are offline. What you write is sent when the connection is back.";
  if (state.status === "closed") return "The connection was closed.";
  const seconds = Math.ceil(((state.retryAt ?? now) - now) / 1_000);
  if (seconds <= 0) return "Connecting to the server…";
  return `No connection. Next try in ${seconds}\u00a0s.`;
}

/** Details for those who want to know. */
export function connectionDetails(state: ConnectionState): string {
  const ways = { websocket: "WebSocket", sse: "server-sent events" };
  const way = state.transport ? `over ${ways[state.transport]}` : "";
  const trip = state.roundTripMs === undefined ? "" : `, round trip ${Math.round(state.roundTripMs)} ms`;
  return way + trip;
}
