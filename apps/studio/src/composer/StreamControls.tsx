import type { Room, RoomState } from "@antiphon/client";
import { Icon } from "../app/Icon";

type StreamControlsProps = {
  room: Room | undefined;
  active: RoomState["active"];
  onInterrupt: () => void;
  onError: (thrown: unknown) => void;
};

/** Holds, continues and interrupts the answer that is under way. */
export function StreamControls({ room, active, onInterrupt, onError }: StreamControlsProps) {
  if (!room || !active) return null;
  const isPaused = active.status === "paused";
  const toggle = () => {
    (isPaused ? room.resume(active.streamId) : room.pause(active.streamId)).catch(onError);
  };
  const name = isPaused ? "Let the answer go on" : "Hold the answer";
  return (
    <>
      <button
        type="button"
        className="round"
        data-testid="pause"
        aria-label={name}
        title={name}
        onClick={toggle}
      >
        <Icon name={isPaused ? "play" : "pause"} />
      </button>
      <button
        type="button"
        className="round stop"
        data-testid="interrupt"
        aria-label="Interrupt the answer"
        title="Interrupt (Escape)"
        onClick={onInterrupt}
      >
        <Icon name="stop" />
      </button>
    </>
  );
}
