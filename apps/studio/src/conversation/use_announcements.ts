import type { Message } from "@antiphon/client";
import { useEffect, useRef } from "react";
import { useAnnounce } from "../app/Announcer";
import { errorWords } from "../app/error_words";

/** What a screen reader is told of an answer whose status changed. */
export function announcement(message: Message, agentName: string): string {
  switch (message.status) {
    case "streaming":
      return `${agentName} is answering.`;
    case "completed":
      return `${agentName}: ${message.text}`;
    case "interrupted":
      return "The answer was interrupted.";
    case "cancelled":
      return "The answer was withdrawn.";
    case "truncated":
      return `The answer broke off. ${agentName}: ${message.text}`;
    case "failed":
      return `The answer failed. ${errorWords(message.error?.code ?? "", message.error?.message).title}.`;
    default:
      return "";
  }
}

/** Announces when answers begin and end; those that were there when the room was opened are not read out. */
export function useAnnouncements(messages: readonly Message[], agentName: string, isLive: boolean): void {
  const announce = useAnnounce();
  const seen = useRef<Map<string, string>>(undefined);
  useEffect(() => {
    if (!isLive) return;
    const former = seen.current;
    seen.current = new Map(messages.map(({ id, status }) => [id, status]));
    if (!former) return;
    for (const message of messages) {
      if (message.role !== "assistant" || former.get(message.id) === message.status) continue;
      const words = announcement(message, agentName);
      if (words !== "") announce(words);
    }
  }, [messages, agentName, isLive, announce]);
}
