import { memo, useState } from "react";
import { BlockView } from "./BlockView";
import { toBlocks, type Block, type Blocks } from "./blocks";
import { Cue } from "./Cue";
import type { CueMark } from "./source";

/**
 * A text in Markdown with the cues at their places. It becomes elements and never HTML, so that nothing in it can be
 * more than text; while it grows only its last blocks are read and rendered again.
 */
export const Markdown = memo(function Markdown(props: { text: string; cues: readonly CueMark[] }) {
  const [known, setKnown] = useState<Blocks>();
  const read = toBlocks(props.text, known);
  if (read !== known) setKnown(read);
  const { blocks } = read;
  if (blocks.length === 0) return props.cues.map((cue, at) => <Cue key={at} mark={cue} />);
  const shares = share(blocks, props.cues);
  return blocks.map((block, at) => <BlockView key={block.start} block={block} cues={shares[at] ?? NONE} />);
});

const NONE: readonly CueMark[] = [];

/** Each block's cues, with the offset from its beginning. One that stands between blocks is the next one's. */
export function share(blocks: readonly Block[], cues: readonly CueMark[]): (readonly CueMark[])[] {
  const shares: (readonly CueMark[])[] = [];
  let next = 0;
  blocks.forEach(({ start, raw }, at) => {
    const isLast = at === blocks.length - 1;
    // Line ends behind a block do not belong to it: a cue behind them begins the next one.
    const end = isLast ? Number.POSITIVE_INFINITY : start + raw.trimEnd().length;
    const own: CueMark[] = [];
    for (let cue = cues[next]; cue && cue.offset <= end; cue = cues[++next]) {
      own.push({ ...cue, offset: Math.max(0, cue.offset - start) });
    }
    shares.push(own.length === 0 ? NONE : own);
  });
  return shares;
}
