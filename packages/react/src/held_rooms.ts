import type { Antiphon, Room } from "@antiphon/client";

/** An open room and how many components look at it. */
type Held = { readonly room: Room; viewers: number };

/** Which rooms the components of each client hold open. */
const heldByClient = new WeakMap<Antiphon, Map<string, Held>>();

/** How long a room stays open without a viewer, in milliseconds: StrictMode and a change of page look away and back. */
const LINGER = 250;

/** Opens a room, or joins those who hold it open. Gives the room and what lets go of it. */
export function holdRoom(client: Antiphon, id: string): { readonly room: Room; release(): void } {
  const rooms = heldByClient.get(client) ?? new Map<string, Held>();
  heldByClient.set(client, rooms);
  const opened = client.room(id);
  let held = rooms.get(id);
  // The application may have left the room itself: then this is another one.
  if (held?.room !== opened) {
    held = { room: opened, viewers: 0 };
    rooms.set(id, held);
  }
  const mine = held;
  mine.viewers++;
  const leave = (): void => {
    if (mine.viewers > 0 || rooms.get(id) !== mine) return;
    rooms.delete(id);
    mine.room.leave();
  };
  const release = (): void => {
    if (--mine.viewers === 0) setTimeout(leave, LINGER);
  };
  return { room: mine.room, release };
}
