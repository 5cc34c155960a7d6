import { useSyncExternalStore } from "react";

const listeners = new Set<() => void>();

/** The room that an address names. */
export function roomOf(path: string): string | undefined {
  const name = /^\/rooms\/([^/]+)\/?$/.exec(path)?.[1];
  try {
    return name === undefined ? undefined : decodeURIComponent(name);
  } catch {
    return undefined;
  }
}

/** A room's address; without one that of the choice of agents. */
export function addressOf(room: string | undefined): string {
  return room === undefined ? "/" : `/rooms/${encodeURIComponent(room)}`;
}

/** Goes to a room, or to the choice of agents. */
export function go(room: string | undefined): void {
  const address = addressOf(room);
  if (address !== location.pathname) history.pushState(null, "", address);
  for (const listener of listeners) listener();
}

function watch(listener: () => void): () => void {
  listeners.add(listener);
  addEventListener("popstate", listener);
  return () => {
    listeners.delete(listener);
    removeEventListener("popstate", listener);
  };
}

/** The room that the page's address names. */
export function useRoute(): string | undefined {
  return useSyncExternalStore(watch, () => roomOf(location.pathname));
}
