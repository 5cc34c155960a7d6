import { AntiphonError } from "@antiphon/client";
import { expect, test } from "vitest";
import { errorWords, wordsOf } from "../src/app/error_words";
import { addressOf, roomOf } from "../src/app/route";
import { awayWords, connectionWord } from "../src/connection/connection_words";
import { announcement } from "../src/conversation/use_announcements";
import { milliseconds, shortTime } from "../src/rooms/times";
import { subjectOf } from "../src/sign_in/session";
import { shortPosition } from "../src/inspector/EventList";

test("a room's address names it, whatever its id", () => {
  for (const id of ["room-1", "a/b", "ü %"]) expect(roomOf(addressOf(id))).toBe(id);
  expect(roomOf("/")).toBeUndefined();
  expect(roomOf("/rooms/%E0%A4%A")).toBeUndefined();
});

test("times are as short as they can be understood", () => {
  const now = new Date("2026-03-10T15:00:00");
  expect(shortTime(new Date("2026-03-10T09:05:00").toISOString(), now, "en-GB")).toBe("09:05");
  expect(shortTime(new Date("2026-03-08T09:05:00").toISOString(), now, "en-GB")).toBe("Sun");
  expect(shortTime(new Date("2026-01-08T09:05:00").toISOString(), now, "en-GB")).toBe("8 Jan");
  expect(shortTime("nonsense", now)).toBe("");
});

test("latencies have two digits that count", () => {
  expect([0.1234, 12.34, 1_234, Number.NaN].map(milliseconds)).toEqual(["0.12 ms", "12 ms", "1.2 s", "–"]);
});

test("errors say what can be done", () => {
  expect(wordsOf(new AntiphonError("queue_full", "17")).advice).toContain("withdraw");
  expect(wordsOf(new Error("boom"))).toMatchObject({ code: "unknown", advice: "boom" });
  expect(errorWords("something_new", "said so").advice).toBe("said so");
});

test("the connection is told in words", () => {
  const away = { status: "reconnecting", transport: undefined, attempt: 2, retryAt: 5_000 } as const;
  expect(connectionWord(away, true)).toBe("Reconnecting");
  expect(connectionWord(away, false)).toBe("Offline");
  expect(awayWords(away, true, 1_500)).toContain("in 4\u00a0s");
  expect(awayWords(away, true, 6_000)).toContain("Connecting");
});

test("a screen reader hears whole answers", () => {
  const message = {
    id: "m",
    role: "assistant",
    senderId: "a",
    content: "Hi.",
    text: "Hi.",
    markers: [],
    createdAt: "",
  } as const;
  expect(announcement({ ...message, status: "completed" }, "Anna")).toBe("Anna: Hi.");
  expect(announcement({ ...message, status: "streaming" }, "Anna")).toBe("Anna is answering.");
  expect(
    announcement({ ...message, status: "failed", error: { code: "provider_timeout", message: "" } }, "Anna"),
  ).toBe("The answer failed. The model took too long.");
});

test("a token's subject is shown, and nothing where there is none", () => {
  const part = (value: object) => btoa(JSON.stringify(value));
  expect(subjectOf(`${part({ alg: "HS256" })}.${part({ sub: "ada" })}.x`)).toBe("ada");
  expect(subjectOf("not a token")).toBeUndefined();
});

test("positions are shown by what differs", () => {
  expect(shortPosition("0123456789012345678901234567890123----1t")).toBe("…0123----1t");
  expect(shortPosition("00000000000000000000000000--------------")).toBe("…");
});
