import type { ReactNode } from "react";
import type { ErrorWords } from "./error_words";
import { Icon } from "./Icon";

/** An error, told to the person, and what they can do about it. */
export function ErrorNotice(props: { words: ErrorWords; onClose?: () => void; children?: ReactNode }) {
  const { words, onClose } = props;
  return (
    <div className="notice" role="alert" data-testid="error-notice" data-code={words.code}>
      <Icon name="warning" />
      <div className="notice-words">
        <strong>{words.title}</strong>
        <p>{words.advice}</p>
        {props.children}
      </div>
      {onClose && (
        <button type="button" className="icon-button" aria-label="Close this notice" onClick={onClose}>
          <Icon name="close" />
        </button>
      )}
    </div>
  );
}
