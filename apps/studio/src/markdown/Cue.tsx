import { memo } from "react";
import { CueGlyph } from "./CueGlyph";
import type { CueMark } from "./source";

/** A marker at its place in the text. */
export const Cue = memo(function Cue({ mark }: { mark: CueMark }) {
  const { kind, value, offset } = mark;
  return (
    <span
      className="cue"
      data-testid="marker-cue"
      data-kind={kind}
      data-value={value}
      data-offset={offset}
      title={`${kind}: ${value}`}
    >
      <CueGlyph kind={kind} value={value} />
      <span className="visually-hidden">({kind}: </span>
      {value.replaceAll(/[_-]/g, " ")}
      <span className="visually-hidden">)</span>
    </span>
  );
});
