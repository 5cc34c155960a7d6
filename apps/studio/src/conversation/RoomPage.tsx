import type { Agent, Room, RoomInfo, RoomState } from "@antiphon/client";
import { useRoom } from "@antiphon/react";
import { useCallback, useEffect, useRef, useState } from "react";
import { ErrorNotice } from "../app/ErrorNotice";
import { errorWords, wordsOf, type ErrorWords } from "../app/error_words";
import { go } from "../app/route";
import { Composer } from "../composer/Composer";
import { Queue } from "../composer/Queue";
import { ConnectionBanner } from "../connection/ConnectionBanner";
import { Inspector } from "../inspector/Inspector";
import { titleOf } from "../rooms/room_titles";
import { Conversation } from "./Conversation";
import { RoomHeader } from "./RoomHeader";
import { useRoomView } from "./use_room_view";

type RoomPageProps = {
  roomId: string;
  room: RoomInfo | undefined;
  agents: readonly Agent[] | undefined;
  onMenu: () => void;
  onDelete: (id: string) => Promise<void>;
};

/** One room: its conversation, and what is said next. */
export function RoomPage({ roomId, room: listed, agents, onMenu, onDelete }: RoomPageProps) {
  const { room } = useRoom(roomId);
  const state = useRoomView(roomId, room);
  const [error, setError] = useState<ErrorWords>();
  const [isInspecting, setInspecting] = useState(false);
  const [hasCues, toggleCues] = useCueChoice();
  const onError = useCallback((thrown: unknown) => setError(wordsOf(thrown)), []);
  const interrupt = useInterrupt(room, state, onError);
  const agentId = state.info?.agentId ?? listed?.agentId;
  const agent = agents?.find(({ id }) => id === agentId);
  const knownName = agent?.name ?? agentId;
  const agentName = knownName ?? "the agent";
  const isGone = state.status === "gone";
  const title = listed?.name ?? titleOf(roomId) ?? `Conversation with ${agentName}`;
  useEffect(() => {
    document.title = `${agentName} · Antiphon`;
    return () => void (document.title = "Antiphon");
  }, [agentName]);
  const inspect = useCallback(() => setInspecting((is) => !is), []);
  return (
    <div className="room">
      <RoomHeader
        {...{ agent, title, hasCues, isInspecting, isGone, onMenu }}
        heading={knownName ?? (isGone ? "Not found" : "Conversation")}
        onCues={toggleCues}
        onInspect={inspect}
        onDelete={() => void onDelete(roomId)}
      />
      <div className="room-split">
        <main className="room-main">
          <Conversation {...{ roomId, room, state, agentName, hasCues, onError }} />
          <div className="dock">
            {isGone && <Gone code={state.error?.code} />}
            {error && <ErrorNotice words={error} onClose={() => setError(undefined)} />}
            <ConnectionBanner />
            {state.queue.length > 0 && <Queue {...{ room, state, onError }} />}
            {!isGone && (
              <Composer
                {...{ roomId, room, agentName, onError }}
                active={state.active}
                onInterrupt={interrupt}
              />
            )}
          </div>
        </main>
        {isInspecting && <Inspector room={room} position={state.position} onClose={inspect} />}
      </div>
    </div>
  );
}

function Gone({ code }: { code: string | undefined }) {
  return (
    <ErrorNotice words={errorWords(code ?? "room_not_found")}>
      <button type="button" className="button small" onClick={() => go(undefined)}>
        Begin another one
      </button>
    </ErrorNotice>
  );
}

const CUES_KEPT_AS = "antiphon.cues";

function useCueChoice(): [boolean, () => void] {
  const [hasCues, setCues] = useState(() => localStorage.getItem(CUES_KEPT_AS) !== "off");
  const toggle = useCallback(() => setCues((has) => !has), []);
  useEffect(() => localStorage.setItem(CUES_KEPT_AS, hasCues ? "on" : "off"), [hasCues]);
  return [hasCues, toggle];
}

/** Stops the running answer at what is on the page, by the button or by Escape. */
function useInterrupt(room: Room | undefined, state: RoomState, onError: (thrown: unknown) => void) {
  const latest = useRef(state);
  useEffect(() => {
    latest.current = state;
  }, [state]);
  const interrupt = useCallback(() => {
    const { active, messages } = latest.current;
    if (!active) return;
    const shown = messages.find(({ id }) => id === active.messageId)?.text.length;
    room?.interrupt(shown).catch(onError);
  }, [room, onError]);
  useEffect(() => {
    const onKey = (event: KeyboardEvent) => {
      if (event.key !== "Escape" || event.defaultPrevented || document.querySelector("dialog[open]")) return;
      interrupt();
    };
    addEventListener("keydown", onKey);
    return () => removeEventListener("keydown", onKey);
  }, [interrupt]);
  return interrupt;
}
