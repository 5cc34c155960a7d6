import type { Message } from "@antiphon/client";
import { memo } from "react";
import { Markdown } from "../markdown/Markdown";
import { AgentAvatar } from "../rooms/AgentAvatar";
import { AnswerStatus } from "./AnswerStatus";
import { Citations } from "./Citations";
import { Reasoning } from "./Reasoning";

type AnswerProps = {
  message: Message;
  agentName: string;
  isPaused: boolean;
  /** Why it is tried again, until text comes. */
  notice?: string | undefined;
  onRetry?: ((streamId: string) => void) | undefined;
};

/** An agent's message. */
export const AnswerItem = memo(function AnswerItem(props: AnswerProps) {
  const { message, agentName, isPaused, notice, onRetry } = props;
  const { status, text, streamId, reasoning, citations } = message;
  const isStreaming = status === "streaming";
  const isNothing = status === "cancelled" && text === "";
  const retry = onRetry && streamId !== undefined ? () => onRetry(streamId) : undefined;
  return (
    <li
      className={isNothing ? "message answer nothing" : "message answer"}
      data-testid="message"
      data-role="assistant"
      data-status={status}
      data-message={message.id}
    >
      <AgentAvatar name={agentName} />
      <div className="answer-body">
        <h2 className="speaker">{agentName}</h2>
        {reasoning !== undefined && <Reasoning text={reasoning} isThinking={isStreaming && text === ""} />}
        <div
          className="prose"
          data-testid="message-text"
          data-writing={isStreaming && !isPaused && text !== ""}
        >
          <Markdown text={text} cues={message.markers} />
        </div>
        {isStreaming && text === "" && <Waiting words={notice} />}
        {isPaused && <p className="outcome">Paused</p>}
        {citations !== undefined && citations.length > 0 && <Citations list={citations} />}
        <AnswerStatus message={message} {...(retry ? { onRetry: retry } : {})} />
      </div>
    </li>
  );
});

function Waiting({ words }: { words?: string | undefined }) {
  return (
    <p className="waiting">
      <span className="dots" aria-hidden="true">
        <i />
        <i />
        <i />
      </span>
      <span className={words === undefined ? "visually-hidden" : undefined}>
        {words === undefined ? "The answer is on its way" : `Trying again: ${words.replaceAll("_", " ")}`}
      </span>
    </p>
  );
}
