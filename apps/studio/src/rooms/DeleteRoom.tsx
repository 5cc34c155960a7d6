import { useRef } from "react";
import { Icon } from "../app/Icon";

/** Deletes a room, once the person confirmed it. */
export function DeleteRoom({ title, onDelete }: { title: string; onDelete: () => void }) {
  const dialog = useRef<HTMLDialogElement>(null);
  return (
    <>
      <button
        type="button"
        className="icon-button"
        data-testid="delete-room"
        aria-label={`Delete “${title}”`}
        title="Delete this conversation"
        onClick={() => dialog.current?.showModal()}
      >
        <Icon name="trash" />
      </button>
      <dialog ref={dialog} className="dialog" aria-label="Delete this conversation?">
        <form method="dialog">
          <h2>Delete this conversation?</h2>
          <p>“{title}” and all its messages go for good.</p>
          <div className="dialog-buttons">
            <button type="submit" className="button" autoFocus>
              Keep it
            </button>
            <button type="submit" className="button danger" data-testid="delete-confirm" onClick={onDelete}>
              Delete
            </button>
          </div>
        </form>
      </dialog>
    </>
  );
}
