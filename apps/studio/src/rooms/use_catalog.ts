import type { Agent, Antiphon, RoomInfo } from "@antiphon/client";
import { useStore } from "@antiphon/react";
import { useCallback, useEffect, useState } from "react";

/** How often agents that are not ready yet are asked for, in milliseconds. */
const READY_INTERVAL = 4_000;

/** What a reload of the page begins with, until the server has answered. */
type Kept = { userId: string; agents: readonly Agent[]; rooms: readonly RoomInfo[] };

const KEPT_AS = "antiphon.catalog";
/** Longer lists are not kept. */
const MOST_KEPT = 100;

function keptOf(userId: string): Partial<Kept> {
  try {
    const kept = JSON.parse(sessionStorage.getItem(KEPT_AS) ?? "null") as Kept | null;
    return kept?.userId === userId ? kept : {};
  } catch {
    return {};
  }
}

/** The agents and the person's rooms. What was read stays where reading it again fails. */
export function useCatalog(client: Antiphon, userId: string) {
  const [kept] = useState(() => keptOf(userId));
  const [agents, setAgents] = useState(kept.agents);
  const [rooms, setRooms] = useState(kept.rooms);
  const [error, setError] = useState<unknown>();
  const isLive = useStore(client.connection).status === "live";

  const reloadRooms = useCallback(async () => setRooms(await client.rooms()), [client]);
  const reload = useCallback(
    () =>
      Promise.all([client.agents(), client.rooms()]).then(([newAgents, newRooms]) => {
        setAgents(newAgents);
        setRooms(newRooms);
        setError(undefined);
      }, setError),
    [client],
  );

  // At first, and again whenever the connection is back.
  useEffect(() => {
    void reload();
  }, [reload, isLive]);
  useEffect(() => {
    if (!agents || !rooms) return;
    const now: Kept = { userId, agents, rooms: rooms.slice(0, MOST_KEPT) };
    sessionStorage.setItem(KEPT_AS, JSON.stringify(now));
  }, [userId, agents, rooms]);
  const isWaiting = agents?.some(({ ready }) => !ready) === true;
  useEffect(() => {
    if (!isWaiting) return undefined;
    const timer = setInterval(() => void reload(), READY_INTERVAL);
    return () => clearInterval(timer);
  }, [isWaiting, reload]);
  return { agents, rooms, error: agents === undefined ? error : undefined, reloadRooms };
}
