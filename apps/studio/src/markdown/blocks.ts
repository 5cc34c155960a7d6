import { Lexer, type Token } from "marked";

/** A block of Markdown, such as a paragraph or a list, and where it begins in the text. */
export type Block = { readonly token: Token; readonly raw: string; readonly start: number };

/** A text in blocks. */
export type Blocks = { readonly text: string; readonly blocks: readonly Block[] };

/** Blocks at the end that more text can still change: the last one, and a paragraph that a line turns into a heading. */
const UNSETTLED = 2;

/**
 * The blocks of a text. Where the text only grew since `former`, the blocks that more text cannot change stay the same
 * objects and are not read again.
 */
export function toBlocks(source: string, former?: Blocks): Blocks {
  // Same length, so that offsets hold.
  const text = source.replace(/\r\n?/g, (ending) => (ending.length === 2 ? " \n" : "\n"));
  if (former?.text === text) return former;
  if (!former || !text.startsWith(former.text)) return { text, blocks: read(text, 0) };
  const settled = former.blocks.slice(0, -UNSETTLED);
  const last = settled.at(-1);
  const from = last ? last.start + last.raw.length : 0;
  return { text, blocks: [...settled, ...read(text.slice(from), from)] };
}

function read(text: string, offset: number): Block[] {
  const blocks: Block[] = [];
  let cursor = 0;
  for (const token of lex(text)) {
    const found = text.indexOf(token.raw, cursor);
    const start = found < 0 ? cursor : found;
    cursor = start + token.raw.length;
    if (token.type !== "space") blocks.push({ token, raw: token.raw, start: offset + start });
  }
  return blocks;
}

/** Text that is nested beyond reason is shown as it is. */
function lex(text: string): Token[] {
  try {
    return new Lexer({ gfm: true }).lex(text);
  } catch {
    return [{ type: "html", raw: text, text, block: true, pre: false }];
  }
}
