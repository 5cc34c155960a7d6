import type { Message } from "@antiphon/client";
import { expect, test } from "vitest";
import { keepRoom, takeKept } from "../src/conversation/room_cache";

const message = (id: string, status: Message["status"]): Message => ({
  id,
  role: "user",
  senderId: "u",
  content: id,
  text: id,
  markers: [],
  status,
  clientMessageId: `cm-${id}`,
  createdAt: "",
});

test("a reload keeps what was shown, and what was on its way apart from it, once", () => {
  keepRoom("r", [message("a", "completed"), message("b", "sending"), message("c", "unsent")]);
  const kept = takeKept("r");
  expect(kept?.messages.map(({ id }) => id)).toEqual(["a"]);
  expect(kept?.pending).toEqual([
    { content: "b", clientMessageId: "cm-b" },
    { content: "c", clientMessageId: "cm-c" },
  ]);
  expect(takeKept("r")).toBeUndefined();
});
