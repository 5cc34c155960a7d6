import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { cutRaw, cutToHeard } from "../src/fold/cut.js";
import type { Marker } from "../src/generated.js";
import type { Message } from "../src/types.js";

type Vector = { name: string; input: string; text: string; markers: Marker[]; unknownMarkers: Marker[] };

const file = new URL("../../../crates/antiphon-markers/vectors.json", import.meta.url);
const { cases } = JSON.parse(readFileSync(file, "utf8")) as { cases: Vector[] };

function messageOf(content: string, text: string, markers: readonly Marker[]): Message {
  const by = {
    id: "msg-1",
    role: "assistant",
    senderId: "anna",
    status: "completed",
    createdAt: "",
  } as const;
  return { ...by, content, text, markers };
}

/** The raw text without the markers, which the marker in each place is known to be by the vector's text. */
function isSpoken(raw: string, text: string): boolean {
  let at = 0;
  for (const unit of text) {
    at = raw.indexOf(unit, at);
    if (at < 0) return false;
    at += unit.length;
  }
  return true;
}

describe("cutting a message to what was heard", () => {
  it.each(cases)("keeps to the markers of the server's vectors: $name", ({ input, text, markers }) => {
    const message = messageOf(input, text, markers);
    const pieces = Array.from(text);
    let offset = 0;
    for (const piece of [...pieces, ""]) {
      const cut = cutToHeard(message, offset);
      expect(cut.text).toBe(text.slice(0, offset));
      expect(cut.markers).toEqual(markers.filter((marker) => marker.offset <= offset));
      // What is cut off begins with the next spoken character, so that every marker before it stays.
      expect(input.startsWith(cut.content)).toBe(true);
      if (piece !== "") expect(input.slice(cut.content.length).startsWith(piece)).toBe(true);
      else expect(cut.content).toBe(input);
      expect(isSpoken(cut.content, cut.text)).toBe(true);
      offset += piece.length;
    }
  });

  it("does not cut a character in two", () => {
    const cut = cutToHeard(messageOf("a😀b", "a😀b", []), 2);
    expect(cut).toMatchObject({ text: "a", content: "a", heard: 1 });
    expect(cutToHeard(messageOf("[tone:calm]a😀b", "a😀b", []), 2).content).toBe("[tone:calm]a");
  });

  it("keeps to the text's end", () => {
    const message = messageOf("[tone:calm]Yes", "Yes", [{ kind: "tone", value: "calm", offset: 0 }]);
    expect(cutToHeard(message, 99)).toMatchObject({ text: "Yes", content: message.content, heard: 3 });
  });

  it("takes brackets for text where the server did", () => {
    expect(cutToHeard(messageOf("[tone:calm]Yes", "[tone:calm]Yes", []), 3).content).toBe("[to");
  });

  it("takes time in proportion to the text", () => {
    const raw = "[emotion:".repeat(50_000);
    const since = performance.now();
    expect(cutRaw(raw, raw.length)).toBe(raw);
    expect(performance.now() - since).toBeLessThan(1000);
  });
});
