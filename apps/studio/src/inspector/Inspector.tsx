import type { Room } from "@antiphon/client";
import { useEffect, useRef } from "react";
import { Icon } from "../app/Icon";
import { EventList } from "./EventList";
import { Latencies } from "./Latencies";

type InspectorProps = { room: Room | undefined; position: string | undefined; onClose: () => void };

/** What goes on below: how long each hop takes, and the room's events as they come. */
export function Inspector({ room, position, onClose }: InspectorProps) {
  const close = useRef<HTMLButtonElement>(null);
  useEffect(() => close.current?.focus(), []);
  return (
    <aside
      className="inspector"
      data-testid="inspector"
      aria-label="Inspector"
      onKeyDown={(event) => {
        if (event.key !== "Escape") return;
        event.preventDefault();
        onClose();
      }}
    >
      <div className="inspector-head">
        <h2>Inspector</h2>
        <button
          ref={close}
          type="button"
          className="icon-button"
          aria-label="Close the inspector"
          onClick={onClose}
        >
          <Icon name="close" />
        </button>
      </div>
      <Latencies />
      <EventList room={room} position={position} />
    </aside>
  );
}
