import type { Message } from "@antiphon/client";
import { memo } from "react";
import { errorWords } from "../app/error_words";

type QuestionProps = {
  message: Message;
  onResend: (clientMessageId: string) => void;
  onDiscard: (clientMessageId: string) => void;
};

/** A person's message: shown at once, and what became of it until the server has it. */
export const QuestionItem = memo(function QuestionItem({ message, onResend, onDiscard }: QuestionProps) {
  const { status, text, error, clientMessageId } = message;
  const words = status === "unsent" ? errorWords(error?.code ?? "network", error?.message) : undefined;
  return (
    <li
      className="message question"
      data-testid="message"
      data-role="user"
      data-status={status}
      data-message={message.id}
    >
      <h2 className="visually-hidden">You</h2>
      <p className="bubble" data-testid="message-text">
        {text}
      </p>
      {status === "sending" && <p className="delivery">Sending…</p>}
      {words && (
        <div className="delivery bad" role="alert" data-testid="error-notice" data-code={words.code}>
          <p data-testid="message-status">
            <strong>Not sent: {words.title.toLowerCase()}.</strong> {words.advice}
          </p>
          {clientMessageId !== undefined && (
            <span className="delivery-buttons">
              <button
                type="button"
                className="button small"
                data-testid="retry"
                onClick={() => onResend(clientMessageId)}
              >
                Send again
              </button>
              <button
                type="button"
                className="button small"
                data-testid="discard"
                onClick={() => onDiscard(clientMessageId)}
              >
                Discard
              </button>
            </span>
          )}
        </div>
      )}
    </li>
  );
});
