import type { Agent, Antiphon, RoomInfo } from "@antiphon/client";
import { useStore } from "@antiphon/react";
import { useCallback, useEffect, useState } from "react";

/** How often agents that are not ready yet are asked for, in milliseconds. */
const READY_INTERVAL = 4_000;

/** The agents and the person's rooms. What was read stays where reading it again fails. */
export function useCatalog(client: Antiphon) {
  const [agents, setAgents] = useState<readonly Agent[]>();
  const [rooms, setRooms] = useState<readonly RoomInfo[]>();
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
  const isWaiting = agents?.some(({ ready }) => !ready) === true;
  useEffect(() => {
    if (!isWaiting) return undefined;
    const timer = setInterval(() => void reload(), READY_INTERVAL);
    return () => clearInterval(timer);
  }, [isWaiting, reload]);
  return { agents, rooms, error: agents === undefined ? error : undefined, reloadRooms };
}
