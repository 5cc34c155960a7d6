import type { Room, RoomState } from "@antiphon/client";
import { useCallback, useEffect, useState } from "react";
import { Icon } from "../app/Icon";
import { AnswerItem } from "./AnswerItem";
import { QuestionItem } from "./QuestionItem";
import { useAnnouncements } from "./use_announcements";
import { useAutoscroll } from "./use_autoscroll";

type ConversationProps = {
  roomId: string;
  room: Room | undefined;
  state: RoomState;
  agentName: string;
  hasCues: boolean;
  onError: (thrown: unknown) => void;
};

/** The messages of a room, as they come. */
export function Conversation(props: ConversationProps) {
  const { roomId, room, state, agentName, hasCues, onError } = props;
  const { scroller, content, isAway, toEnd, onScroll } = useAutoscroll();
  useAnnouncements(state.messages, agentName, state.status === "live");
  const actions = useActions(room, onError);
  const { messages, active } = state;
  // Of an answer that was withdrawn nothing can be asked again.
  const lastAnswer = messages.findLast(({ role, status }) => role === "assistant" && status !== "cancelled");
  const ownMessages = messages.filter(({ role }) => role === "user").length;
  // Whoever says something wants to see it.
  useEffect(toEnd, [ownMessages, toEnd]);
  const isEmpty = messages.length === 0 && state.position !== undefined;
  return (
    <div className="conversation-frame">
      <div
        ref={scroller}
        className="conversation"
        data-testid="conversation"
        data-room={roomId}
        data-status={state.status}
        data-cues={hasCues ? "on" : "off"}
        role="region"
        aria-label={`Conversation with ${agentName}`}
        tabIndex={0}
        onScroll={onScroll}
      >
        <div ref={content} className="conversation-inner">
          {state.hasEarlier && <LoadEarlier room={room} onError={onError} />}
          {isEmpty && <Opening agentName={agentName} />}
          <ol className="messages" aria-label="Messages">
            {messages.map((message) =>
              message.role === "user" ? (
                <QuestionItem
                  key={message.clientMessageId ?? message.id}
                  message={message}
                  onResend={actions.resend}
                  onDiscard={actions.discard}
                />
              ) : (
                <AnswerItem
                  key={message.id}
                  message={message}
                  agentName={agentName}
                  isPaused={active?.messageId === message.id && active.status === "paused"}
                  notice={active?.messageId === message.id ? active.notice : undefined}
                  onRetry={message === lastAnswer && !active ? actions.retry : undefined}
                />
              ),
            )}
          </ol>
        </div>
      </div>
      {isAway && (
        <button type="button" className="jump" data-testid="jump-to-latest" onClick={toEnd}>
          <Icon name="down" /> Jump to latest
        </button>
      )}
    </div>
  );
}

function useActions(room: Room | undefined, onError: (thrown: unknown) => void) {
  const resend = useCallback((id: string) => void room?.resend(id).catch(() => undefined), [room]);
  const discard = useCallback((id: string) => room?.discard(id), [room]);
  const retry = useCallback((streamId: string) => void room?.retry(streamId).catch(onError), [room, onError]);
  return { resend, discard, retry };
}

function Opening({ agentName }: { agentName: string }) {
  return (
    <div className="opening">
      <p className="opening-title">Say something to {agentName}.</p>
      <p>The answer appears as it is spoken. Press Escape to interrupt it.</p>
    </div>
  );
}

function LoadEarlier({ room, onError }: { room: Room | undefined; onError: (thrown: unknown) => void }) {
  const [isLoading, setLoading] = useState(false);
  const load = () => {
    setLoading(true);
    room
      ?.loadEarlier()
      .catch(onError)
      .finally(() => setLoading(false));
  };
  return (
    <button
      type="button"
      className="button small earlier"
      data-testid="load-earlier"
      disabled={isLoading}
      onClick={load}
    >
      {isLoading ? "Loading…" : "Earlier messages"}
    </button>
  );
}
