import { useAntiphon, useConnection } from "@antiphon/react";
import { useCallback, useEffect, useState } from "react";
import { RoomPage } from "../conversation/RoomPage";
import { AgentChoice } from "../rooms/AgentChoice";
import { Sidebar } from "../rooms/Sidebar";
import { useCatalog } from "../rooms/use_catalog";
import type { Session } from "../sign_in/session";
import { ErrorNotice } from "./ErrorNotice";
import { wordsOf, type ErrorWords } from "./error_words";
import { addressOf, go, useRoute } from "./route";

/** The page for somebody who is signed in: the rooms at the side, and one of them or the choice of agents. */
export function Studio({ session, onEnded }: { session: Session; onEnded: (session: Session) => void }) {
  const client = useAntiphon();
  useEndedSession(session, onEnded);
  const roomId = useRoute();
  const catalog = useCatalog(client, session.userId);
  // The address at which the drawer was opened: going elsewhere closes it.
  const [drawerAt, setDrawerAt] = useState<string>();
  const address = addressOf(roomId);
  const [error, setError] = useState<ErrorWords>();
  const { agents, rooms, reloadRooms } = catalog;
  const room = rooms?.find(({ id }) => id === roomId);
  const openDrawer = useCallback(() => setDrawerAt(address), [address]);
  const closeDrawer = useCallback(() => setDrawerAt(undefined), []);

  const create = useCallback(
    async (agentId: string) => {
      try {
        setError(undefined);
        const made = await client.createRoom({ agentId });
        go(made.id);
        await reloadRooms();
      } catch (thrown) {
        setError(wordsOf(thrown));
      }
    },
    [client, reloadRooms],
  );
  const remove = useCallback(
    async (id: string) => {
      try {
        await client.deleteRoom(id);
        if (id === roomId) go(undefined);
        await reloadRooms();
      } catch (thrown) {
        setError(wordsOf(thrown));
      }
    },
    [client, reloadRooms, roomId],
  );

  const isReady = agents !== undefined || catalog.error !== undefined;
  return (
    <div className="studio" data-testid={isReady ? "app" : undefined}>
      <Sidebar {...{ agents, rooms, roomId, session, isOpen: drawerAt === address, onClose: closeDrawer }} />
      <div className="stage">
        {(error ?? catalog.error) !== undefined && (
          <ErrorNotice
            words={error ?? wordsOf(catalog.error)}
            {...(error ? { onClose: () => setError(undefined) } : {})}
          />
        )}
        {roomId === undefined ? (
          <AgentChoice agents={agents} onChoose={(id) => void create(id)} onMenu={openDrawer} />
        ) : (
          <RoomPage key={roomId} {...{ roomId, room, agents, onMenu: openDrawer, onDelete: remove }} />
        )}
      </div>
    </div>
  );
}

/** A token that has ended, or that the server does not know any more, ends the connection for good. */
function useEndedSession(session: Session, onEnded: (session: Session) => void): void {
  const client = useAntiphon();
  const { status, error } = useConnection();
  const hasEnded = status === "closed" && error?.code === "unauthorized";
  useEffect(() => {
    if (!hasEnded) return;
    client.close();
    onEnded(session);
  }, [hasEnded, client, session, onEnded]);
}
