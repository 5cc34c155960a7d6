import type { RoomInfo } from "@antiphon/client";
import { useSyncExternalStore, type MouseEvent } from "react";
import { addressOf, go } from "../app/route";
import { titleOf, watchTitles } from "./room_titles";
import { shortTime } from "./times";

/** One room in the list. */
export function RoomItem(props: { room: RoomInfo; agentName: string; isOpen: boolean; onOpen: () => void }) {
  const { room, agentName, isOpen } = props;
  const title = useSyncExternalStore(watchTitles, () => titleOf(room.id));
  const open = (event: MouseEvent) => {
    if (event.metaKey || event.ctrlKey || event.shiftKey) return;
    event.preventDefault();
    go(room.id);
    props.onOpen();
  };
  return (
    <a
      className="room-item"
      data-testid="room-item"
      data-room={room.id}
      href={addressOf(room.id)}
      aria-current={isOpen ? "page" : undefined}
      onClick={open}
    >
      <span className="room-title">{room.name ?? title ?? "New conversation"}</span>
      <span className="room-details">
        {agentName} · {shortTime(room.createdAt)}
      </span>
    </a>
  );
}
