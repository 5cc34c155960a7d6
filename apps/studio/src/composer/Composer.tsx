import type { Room, RoomState } from "@antiphon/client";
import { useCallback, useEffect, useLayoutEffect, useRef, useState, type KeyboardEvent } from "react";
import { Icon } from "../app/Icon";
import { StreamControls } from "./StreamControls";
import { keepDraft, keptDraft } from "./drafts";

type ComposerProps = {
  roomId: string;
  room: Room | undefined;
  agentName: string;
  active: RoomState["active"];
  onInterrupt: () => void;
  onError: (thrown: unknown) => void;
};

/** Where the person writes. Enter sends, Shift and Enter begin a new line. */
export function Composer({ roomId, room, agentName, active, onInterrupt, onError }: ComposerProps) {
  const [text, setText] = useState(() => keptDraft(roomId));
  const field = useGrowingField(text);
  useEffect(() => keepDraft(roomId, text), [roomId, text]);
  useEffect(() => {
    // On a touch screen the keyboard would cover the conversation.
    if (!matchMedia("(pointer: coarse)").matches) field.current?.focus();
  }, [field]);

  const send = useCallback(() => {
    const content = text.trim();
    if (content === "" || !room) return;
    setText("");
    field.current?.focus();
    room.send(content).catch((thrown: unknown) => {
      // Most refusals stand at the message itself; without one its words come back here.
      if (room.state.get().messages.some((message) => message.content === content)) return;
      setText((now) => (now === "" ? content : now));
      onError(thrown);
    });
  }, [room, text, onError, field]);

  const onKeyDown = (event: KeyboardEvent) => {
    if (event.key !== "Enter" || event.shiftKey || event.nativeEvent.isComposing) return;
    event.preventDefault();
    send();
  };
  return (
    <form
      className="composer"
      onSubmit={(event) => {
        event.preventDefault();
        send();
      }}
    >
      <label className="visually-hidden" htmlFor="composer">
        Message to {agentName}
      </label>
      <textarea
        ref={field}
        id="composer"
        data-testid="composer"
        rows={1}
        enterKeyHint="send"
        placeholder={`Message ${agentName}`}
        aria-describedby="composer-hint"
        value={text}
        onChange={(event) => setText(event.target.value)}
        onKeyDown={onKeyDown}
      />
      <div className="composer-row">
        <Hint canInterrupt={active !== undefined} />
        <StreamControls room={room} active={active} onInterrupt={onInterrupt} onError={onError} />
        <button
          type="submit"
          className="round primary"
          data-testid="send"
          aria-label="Send"
          disabled={text.trim() === "" || !room}
        >
          <Icon name="send" />
        </button>
      </div>
    </form>
  );
}

function Hint({ canInterrupt }: { canInterrupt: boolean }) {
  return (
    <p id="composer-hint" className="hint">
      <kbd>Enter</kbd> sends · <kbd>Shift</kbd>+<kbd>Enter</kbd> new line
      {canInterrupt && (
        <>
          {" · "}
          <kbd>Esc</kbd> interrupts
        </>
      )}
    </p>
  );
}

/** A field that is as high as its text; its style sheet says how high it gets. */
function useGrowingField(text: string) {
  const field = useRef<HTMLTextAreaElement>(null);
  useLayoutEffect(() => {
    const element = field.current;
    if (!element) return;
    element.style.height = "auto";
    if (text !== "") element.style.height = `${element.scrollHeight}px`;
  }, [text]);
  return field;
}
