import type { Message } from "@antiphon/client";
import { errorWords } from "../app/error_words";
import { Icon } from "../app/Icon";

/** How an answer that is not whole ended, in words, and a way to ask for it again. */
export function AnswerStatus({ message, onRetry }: { message: Message; onRetry?: () => void }) {
  const { status, error } = message;
  if (status === "streaming" || status === "completed") return null;
  const isBad = status === "failed" || status === "truncated";
  const words = isBad ? errorWords(error?.code ?? status, error?.message) : undefined;
  return (
    <div
      className={isBad ? "outcome bad" : "outcome"}
      {...(isBad ? { "data-testid": "error-notice", "data-code": words?.code, role: "status" } : {})}
    >
      {isBad && <Icon name="warning" />}
      <p data-testid="message-status">
        {status === "interrupted" && "Interrupted here"}
        {status === "cancelled" && "Withdrawn"}
        {words && (
          <>
            <strong>{status === "failed" ? `Failed: ${lowered(words.title)}.` : `${words.title}.`}</strong>{" "}
            {words.advice}
          </>
        )}
      </p>
      {onRetry && (
        <button type="button" className="button small" data-testid="retry" onClick={onRetry}>
          <Icon name="retry" /> {isBad ? "Try again" : "Ask again"}
        </button>
      )}
    </div>
  );
}

const lowered = (words: string): string => words.charAt(0).toLowerCase() + words.slice(1);
