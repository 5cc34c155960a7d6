import type { Room, RoomEvent } from "@antiphon/client";
import { useEffect, useState } from "react";

/** Events that are shown; older ones go. */
const MOST = 100;
/** How often the list is shown anew, in milliseconds: it must not cost the conversation its frames. */
const INTERVAL = 250;

/** The end of a position, which is what differs between neighbours. */
export function shortPosition(position: string): string {
  return `…${position.slice(-10).replace(/^-+/, "")}`;
}

/** The room's events since the inspector was opened, newest first, with their positions. */
export function EventList({ room, position }: { room: Room | undefined; position: string | undefined }) {
  const [events, setEvents] = useState<readonly RoomEvent[]>([]);
  useEffect(() => {
    if (!room) return undefined;
    let fresh: RoomEvent[] = [];
    const unlisten = room.on((event) => {
      fresh.push(event);
      if (fresh.length > MOST) fresh = fresh.slice(-MOST);
    });
    const timer = setInterval(() => {
      if (fresh.length === 0) return;
      const added = fresh.reverse();
      fresh = [];
      setEvents((former) => [...added, ...former].slice(0, MOST));
    }, INTERVAL);
    return () => {
      unlisten();
      clearInterval(timer);
    };
  }, [room]);
  return (
    <section className="events" aria-label="Events">
      <h3>Events</h3>
      <p className="inspector-note">
        At <code title={position}>{position === undefined ? "–" : shortPosition(position)}</code>
        {events.length === 0 && ". They are listed here as they come."}
      </p>
      <ol tabIndex={0} aria-label="Latest events">
        {events.map((event) => (
          <li key={event.position}>
            <details>
              <summary>
                <span>{event.type}</span>
                <code title={event.position}>{shortPosition(event.position)}</code>
              </summary>
              <pre tabIndex={0} role="group" aria-label="The event">
                {JSON.stringify(event, null, 2)}
              </pre>
            </details>
          </li>
        ))}
      </ol>
    </section>
  );
}
