/** One server-sent event: its `data`, and its `id` where it has one. */
export type SseEvent = { readonly data: string; readonly id: string | undefined };

/** The longest line that is taken, in characters: an event of the largest body, escaped. */
const MOST_LINE_CHARACTERS = 8 << 20;

/**
 * Reads an event stream as it comes, cut anywhere (https://html.spec.whatwg.org/multipage/server-sent-events.html).
 * Throws on bytes that are not UTF-8 and on endless lines: what is broken must not be taken for text.
 */
export class SseParser {
  readonly #decoder = new TextDecoder("utf-8", { fatal: true });
  #rest = "";
  #data: string[] = [];
  #id: string | undefined;

  /** The events that these bytes complete. */
  push(bytes: Uint8Array): SseEvent[] {
    const text = this.#rest + this.#decoder.decode(bytes, { stream: true });
    // A CR at the end may be half of a CRLF.
    const lines = text.split(/\r\n|\n|\r(?!$)/);
    this.#rest = lines.pop() ?? "";
    if (this.#rest.length > MOST_LINE_CHARACTERS) throw new Error("a line of the event stream has no end");
    return lines.flatMap((line) => this.#line(line));
  }

  #line(line: string): SseEvent[] {
    if (line === "") {
      const [data, id] = [this.#data, this.#id];
      [this.#data, this.#id] = [[], undefined];
      return data.length > 0 ? [{ data: data.join("\n"), id }] : [];
    }
    const [, field, value = ""] = /^([^:]*)(?:: ?([^]*))?$/.exec(line) ?? [];
    if (field === "data") this.#data.push(value);
    if (field === "id") this.#id = value;
    return [];
  }
}
