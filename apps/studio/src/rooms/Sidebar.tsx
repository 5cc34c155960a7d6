import type { Agent, RoomInfo } from "@antiphon/client";
import { useEffect, useRef } from "react";
import { Icon } from "../app/Icon";
import { Mark } from "../app/Mark";
import { go } from "../app/route";
import type { Session } from "../sign_in/session";
import { ThemeToggle } from "../theme/ThemeToggle";
import { RoomItem } from "./RoomItem";

type SidebarProps = {
  agents: readonly Agent[] | undefined;
  rooms: readonly RoomInfo[] | undefined;
  roomId: string | undefined;
  session: Session;
  isOpen: boolean;
  onClose: () => void;
};

/** The person's rooms: beside the conversation, or a drawer over it where the screen is narrow. */
export function Sidebar(props: SidebarProps) {
  const { agents, rooms, roomId, session, isOpen, onClose } = props;
  const panel = useDrawerFocus(isOpen, onClose);
  const begin = () => {
    go(undefined);
    onClose();
  };
  return (
    <>
      {isOpen && <div className="scrim only-narrow" onClick={onClose} aria-hidden="true" />}
      <nav ref={panel} className="sidebar" data-open={isOpen} aria-label="Conversations">
        <div className="sidebar-head">
          <Mark />
          <span className="wordmark">Antiphon</span>
          <button
            type="button"
            className="icon-button only-narrow"
            aria-label="Close the list of conversations"
            onClick={onClose}
          >
            <Icon name="close" />
          </button>
        </div>
        <button type="button" className="button new-room" data-testid="new-room" onClick={begin}>
          <Icon name="plus" /> New conversation
        </button>
        <ul className="rooms" data-testid="rooms" aria-label="Your conversations">
          {rooms?.map((room) => (
            <li key={room.id}>
              <RoomItem
                room={room}
                agentName={agents?.find(({ id }) => id === room.agentId)?.name ?? room.agentId ?? ""}
                isOpen={room.id === roomId}
                onOpen={onClose}
              />
            </li>
          ))}
        </ul>
        {rooms?.length === 0 && <p className="rooms-empty">Your conversations will be listed here.</p>}
        <div className="sidebar-foot">
          <span className="who" title={session.userId}>
            {session.isGuest ? "Guest" : session.userId}
          </span>
          <ThemeToggle />
        </div>
      </nav>
    </>
  );
}

/** An open drawer has the focus, closes on Escape, and gives the focus back. */
function useDrawerFocus(isOpen: boolean, onClose: () => void) {
  const panel = useRef<HTMLElement>(null);
  useEffect(() => {
    if (!isOpen) return undefined;
    const before = document.activeElement;
    panel.current?.querySelector<HTMLElement>("button")?.focus();
    const onKey = (event: KeyboardEvent) => {
      if (event.key !== "Escape") return;
      event.preventDefault();
      onClose();
    };
    addEventListener("keydown", onKey, { capture: true });
    return () => {
      removeEventListener("keydown", onKey, { capture: true });
      if (before instanceof HTMLElement && before.isConnected) before.focus();
    };
  }, [isOpen, onClose]);
  return panel;
}
