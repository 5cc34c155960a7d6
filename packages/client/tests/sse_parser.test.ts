import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { SseParser } from "../src/sse_parser.js";

const encode = (text: string): Uint8Array => new TextEncoder().encode(text);

describe("the parser of server-sent events", () => {
  it("reads the same wherever the bytes are cut and however lines end", () => {
    const data = fc.string({ unit: "grapheme" }).map((text) => JSON.stringify(text));
    const events = fc.array(fc.record({ data, id: fc.stringMatching(/^[A-Za-z0-9_-]{1,40}$/) }), {
      maxLength: 8,
    });
    const ends = fc.constantFrom("\n", "\r\n");
    fc.assert(
      fc.property(events, ends, fc.array(fc.nat(), { maxLength: 12 }), (sent, end, cuts) => {
        const text = sent
          .map(({ data, id }) => `: comment${end}id: ${id}${end}data:${data}${end}${end}`)
          .join("");
        const bytes = encode(text);
        const places = [...new Set(cuts.map((cut) => cut % (bytes.length + 1)))].sort(
          (one, other) => one - other,
        );
        const parser = new SseParser();
        const read = [...places, bytes.length].flatMap((place, at) =>
          parser.push(bytes.slice(places[at - 1] ?? 0, place)),
        );
        expect(read).toEqual(sent);
      }),
      { seed: 7, numRuns: 300 },
    );
  });

  it("joins the lines of one event, and passes over what it does not know", () => {
    const read = new SseParser().push(encode("event: x\nretry: 5\ndata: a\ndata: b\ndata\nodd\n\n\n: c\n\n"));
    expect(read).toEqual([{ data: "a\nb\n", id: undefined }]);
  });

  it("refuses bytes that are not UTF-8", () => {
    expect(() => new SseParser().push(Uint8Array.of(0x64, 0xe1, 0x74))).toThrow();
  });
});
