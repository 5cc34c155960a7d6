import type { ConnectionState, Room, RoomState, Store } from "@antiphon/client";
import { useCallback, useMemo, useRef, useSyncExternalStore } from "react";
import { holdRoom } from "./held_rooms.js";
import { useAntiphon } from "./provider.js";

/** The value of a store; renders again when it changes. */
export function useStore<T>(store: Store<T>): T {
  const subscribe = useCallback((listener: () => void) => store.subscribe(listener), [store]);
  const get = useCallback(() => store.get(), [store]);
  return useSyncExternalStore(subscribe, get, get);
}

/** How the client stands with the server. */
export function useConnection(): ConnectionState {
  return useStore(useAntiphon().connection);
}

/** A room that is open as long as a component holds it, as a store. */
function heldRoom(client: ReturnType<typeof useAntiphon>, id: string | undefined) {
  let room: Room | undefined;
  return {
    room: (): Room | undefined => room,
    state: (): RoomState | undefined => room?.state.get(),
    subscribe: (listener: () => void): (() => void) => {
      if (id === undefined) return () => undefined;
      const held = holdRoom(client, id);
      room = held.room;
      const unsubscribe = room.state.subscribe(listener);
      return () => {
        unsubscribe();
        held.release();
      };
    },
  };
}

const nothing = (): undefined => undefined;

/**
 * Opens a room as long as a component that asks for it is there, however many do. Both are `undefined` on the first
 * render and where no id is given.
 */
export function useRoom(id: string | undefined): {
  state: RoomState | undefined;
  room: Room | undefined;
} {
  const client = useAntiphon();
  const held = useMemo(() => heldRoom(client, id), [client, id]);
  const state = useSyncExternalStore(held.subscribe, held.state, nothing);
  const room = useSyncExternalStore(held.subscribe, held.room, nothing);
  return useMemo(() => ({ state, room }), [state, room]);
}

/**
 * A part of a room's state; renders again only when that part changes by `isEqual` (`Object.is` where none is given).
 * `undefined` until there is a room.
 */
export function useRoomSelector<T>(
  room: Room | undefined,
  selector: (state: RoomState) => T,
  isEqual: (one: T, other: T) => boolean = Object.is,
): T | undefined {
  const last = useRef<{ state: RoomState; selector: typeof selector; selected: T }>(undefined);
  const subscribe = useCallback(
    (listener: () => void) => room?.state.subscribe(listener) ?? (() => undefined),
    [room],
  );
  const get = (): T | undefined => {
    const state = room?.state.get();
    if (!state) return undefined;
    const known = last.current;
    if (known?.state === state && known.selector === selector) return known.selected;
    const next = selector(state);
    const selected = known && isEqual(known.selected, next) ? known.selected : next;
    last.current = { state, selector, selected };
    return selected;
  };
  return useSyncExternalStore(subscribe, get, get);
}
