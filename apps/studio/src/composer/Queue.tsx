import type { Room, RoomState } from "@antiphon/client";

type QueueProps = { room: Room | undefined; state: RoomState; onError: (thrown: unknown) => void };

/** The messages that wait for their answers, in order, each with a way to withdraw it. */
export function Queue({ room, state, onError }: QueueProps) {
  return (
    <ol className="queue" data-testid="queue" aria-label="Waiting messages">
      {state.queue.map(({ streamId, place, messageId, waitingFor }) => {
        const words = state.messages.find(({ id }) => id === messageId)?.text ?? "A message";
        return (
          <li key={streamId} data-testid="queue-item" data-stream={streamId} data-place={place}>
            <span className="place">{place === 0 ? "next" : place}</span>
            <span className="queue-words">{words}</span>
            {waitingFor === "model" && <span className="queue-reason">the model is busy</span>}
            <button
              type="button"
              className="button small quiet"
              data-testid="withdraw"
              aria-label={`Withdraw “${words.slice(0, 60)}”`}
              onClick={() => void room?.cancel(streamId).catch(onError)}
            >
              Withdraw
            </button>
          </li>
        );
      })}
    </ol>
  );
}
