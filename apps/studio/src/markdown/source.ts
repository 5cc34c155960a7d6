/** A marker as it is shown. */
export type CueMark = { readonly kind: string; readonly value: string; readonly offset: number };

/** A piece of what is shown: text, or a cue. */
export type Piece = string | CueMark;

/**
 * Goes through a block's source along with its rendering, to say where each cue falls. Nothing is written into the text,
 * so no text can be taken for a cue.
 */
export class Source {
  readonly #text: string;
  readonly #cues: readonly CueMark[];
  #cursor = 0;
  #next = 0;

  /** `cues` by offset, which counts from the block's beginning. */
  constructor(text: string, cues: readonly CueMark[]) {
    [this.#text, this.#cues] = [text, cues];
  }

  /** What is shown for a part whose source is `raw`: its text with the cues that fall into it. */
  take(shown: string, raw: string): Piece[] {
    const rawLines = raw.split("\n");
    const shownLines = shown.split("\n");
    // Markers can be placed within a line only where it is shown as it is written.
    if (rawLines.length !== shownLines.length) return this.#whole(shown, rawLines);
    const pieces: Piece[] = [];
    rawLines.forEach((line, at) => {
      const from = this.#find(line);
      pieces.push(...this.#until(from));
      pieces.push(...this.#split(shownLines[at] ?? "", line, from));
      if (at < rawLines.length - 1) pieces.push("\n");
    });
    return joined(pieces);
  }

  /** The cues that are left. */
  rest(): CueMark[] {
    return this.#until(Number.POSITIVE_INFINITY);
  }

  #whole(shown: string, rawLines: readonly string[]): Piece[] {
    const before = this.#until(this.#find(rawLines[0] ?? ""));
    for (const line of rawLines.slice(1)) this.#find(line);
    return [...before, shown, ...this.#until(this.#cursor)];
  }

  /** Where a line of a part stands: parts lose indentation and quotation marks, and never gain anything. */
  #find(line: string): number {
    const found = this.#text.indexOf(line, this.#cursor);
    const from = found < 0 ? this.#cursor : found;
    if (found >= 0) this.#cursor = found + line.length;
    return from;
  }

  #split(shown: string, line: string, from: number): Piece[] {
    const pieces: Piece[] = [];
    let done = 0;
    for (;;) {
      const cue = this.#cues[this.#next];
      if (!cue || cue.offset > from + line.length) break;
      const at = shown === line ? cue.offset - from : shown.length;
      pieces.push(shown.slice(done, at), cue);
      done = Math.max(done, at);
      this.#next += 1;
    }
    return [...pieces, shown.slice(done)];
  }

  #until(offset: number): CueMark[] {
    const from = this.#next;
    while ((this.#cues[this.#next]?.offset ?? Number.POSITIVE_INFINITY) <= offset) {
      if (this.#next >= this.#cues.length) break;
      this.#next += 1;
    }
    return this.#cues.slice(from, this.#next);
  }
}

/** Neighbouring texts as one. */
function joined(pieces: readonly Piece[]): Piece[] {
  const result: Piece[] = [];
  for (const piece of pieces) {
    const last = result.at(-1);
    if (piece === "") continue;
    if (typeof piece === "string" && typeof last === "string") result[result.length - 1] = last + piece;
    else result.push(piece);
  }
  return result;
}
