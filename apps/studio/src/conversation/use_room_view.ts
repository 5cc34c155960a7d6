import type { Room, RoomState, Store } from "@antiphon/client";
import { useEffect, useMemo, useRef, useState } from "react";
import { useFramed } from "../app/frames";
import { nameRoom } from "../rooms/room_titles";
import { keepRoom, takeKept, type Kept } from "./room_cache";

const EMPTY: RoomState = { status: "loading", messages: [], queue: [], hasEarlier: false };
const NOTHING: Store<RoomState> = { get: () => EMPTY, subscribe: () => () => undefined };

/** StrictMode makes a component twice: what was kept is taken for both. */
const taken = new Map<string, Kept | undefined>();

function keptOf(id: string): Kept | undefined {
  if (!taken.has(id)) {
    taken.set(id, takeKept(id));
    queueMicrotask(() => taken.delete(id));
  }
  return taken.get(id);
}

/**
 * A room as it is shown: at most one change a frame, and until the server has said what is in it, what was on the page
 * before a reload.
 */
export function useRoomView(id: string, room: Room | undefined): RoomState {
  const state = useFramed(room?.state ?? NOTHING);
  const [kept] = useState(() => keptOf(id));
  const isKnown = state.position !== undefined || state.status !== "loading";
  useSentAgain(room, kept);
  const latest = useRef(state.messages);
  useEffect(() => {
    if (isKnown) latest.current = state.messages;
  }, [state.messages, isKnown]);
  useEffect(() => {
    const keep = () => keepRoom(id, latest.current);
    addEventListener("pagehide", keep);
    return () => removeEventListener("pagehide", keep);
  }, [id]);
  const first = state.messages[0];
  useEffect(() => {
    if (first?.role === "user" && !state.hasEarlier) nameRoom(id, first.text);
  }, [first, state.hasEarlier, id]);
  return useMemo(
    () => (isKnown || !kept ? state : { ...state, messages: [...kept.messages, ...state.messages] }),
    [isKnown, kept, state],
  );
}

/** What was on its way before a reload goes out again, under its own id, so that the server has it once. */
function useSentAgain(room: Room | undefined, kept: Kept | undefined): void {
  const isDone = useRef(false);
  useEffect(() => {
    if (!room || isDone.current) return;
    isDone.current = true;
    for (const { content, clientMessageId } of kept?.pending ?? []) {
      // A refusal stands at the message itself.
      room.send(content, { clientMessageId }).catch(() => undefined);
    }
  }, [room, kept]);
}
