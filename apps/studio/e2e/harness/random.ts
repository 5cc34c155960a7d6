/** Numbers in [0, 1) that are the same for the same seed (xorshift, Marsaglia 2003, doi:10.18637/jss.v008.i14). */
export function seeded(seed: number): () => number {
  // Zero is the one state that it does not leave.
  let state = seed | 0 || 1;
  return () => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) / 2 ** 32;
  };
}

/** The seed of this run: `SEED`, or a new one; said aloud, so that a failure can be had again. */
export function runSeed(what: string): number {
  const given = process.env["SEED"];
  const seed = given === undefined ? Math.floor(Math.random() * 2 ** 31) : Number(given);
  console.log(`${what}: SEED=${seed}`);
  return seed;
}
