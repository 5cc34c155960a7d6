/** The mouths that feelings have; every other feeling has a straight one. */
const MOUTHS: Readonly<Record<string, string>> = {
  happy: "M5 9.4c1 1.9 5 1.9 6 0",
  excited: "M4.8 9c.6 3.2 5.8 3.2 6.4 0z",
  sad: "M5 11.4c1-1.9 5-1.9 6 0",
  angry: "M5 11.2c1-1.5 5-1.5 6 0",
  surprised: "M8 9.2a1.4 1.4 0 1 0 .01 0z",
  thinking: "M5.6 10.6l4.6-1",
};
const SHAPES: Readonly<Record<string, string>> = {
  gesture:
    "M5 9.2V5M7.2 8V3M9.4 8V3.4M11.6 9V5.2M5 9.2L3.2 7.9M5 9.2l-1.8-1.3 2.4 4.3c.7 1.2 1.5 1.8 2.9 1.8 2 0 3.1-1.6 3.1-5",
  pose: "M8 2.2a1.5 1.5 0 1 0 .01 0zM8 5.6v4.6M4.4 7.2h7.2M8 10.2l-2.4 3.9M8 10.2l2.4 3.9",
  tone: "M2.6 8v.1M5.3 5.6v4.9M8 3v10M10.7 5.6v4.9M13.4 8v.1",
};

/** A small drawing of what a marker directs: a face, a hand, a figure, a voice. */
export function CueGlyph({ kind, value }: { kind: string; value: string }) {
  const shape = SHAPES[kind];
  return (
    <svg className="cue-glyph" viewBox="0 0 16 16" aria-hidden="true">
      {shape === undefined ? (
        <>
          <circle cx="8" cy="8" r="6.2" />
          <path d="M5.8 6.2v.7M10.2 6.2v.7" />
          <path d={MOUTHS[value] ?? "M5.4 10.2h5.2"} />
        </>
      ) : (
        <path d={shape} />
      )}
    </svg>
  );
}
