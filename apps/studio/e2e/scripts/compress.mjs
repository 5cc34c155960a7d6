// Lays a gzip and a Brotli form beside each built file that gets smaller by it; the server sends those as they are.
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { brotliCompressSync, constants, gzipSync } from "node:zlib";

const dist = join(import.meta.dirname, "../../dist");
/** What is compressed in itself already, or is one of our own. */
const SKIPPED = /\.(?:png|webp|woff2|gz|br|map)$/;
const brotli = { params: { [constants.BROTLI_PARAM_QUALITY]: constants.BROTLI_MAX_QUALITY } };

let gzipped = 0;
for (const entry of readdirSync(dist, { recursive: true, withFileTypes: true })) {
  if (!entry.isFile() || SKIPPED.test(entry.name)) continue;
  const file = join(entry.parentPath, entry.name);
  const plain = readFileSync(file);
  for (const [ending, packed] of [
    ["gz", gzipSync(plain, { level: 9 })],
    ["br", brotliCompressSync(plain, brotli)],
  ]) {
    if (packed.length < plain.length) writeFileSync(`${file}.${ending}`, packed);
    if (ending === "gz") gzipped += Math.min(packed.length, plain.length);
  }
}
console.log(`the page: ${(gzipped / 1024).toFixed(1)} KiB gzipped in all`);
