/** What the package may weigh on the wire, in bytes. */
export const MOST_GZIPPED_BYTES: number;
/** The size of the minified bundle, gzipped, in bytes. */
export function gzippedBytes(): Promise<number>;
