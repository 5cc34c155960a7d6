// Fails where what a browser loads first is more than 150 KiB gzipped: the page, its script, style and font.
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { gzipSync } from "node:zlib";

const MOST = 150 * 1024;
const dist = join(import.meta.dirname, "../dist");
/** Fonts for letters beyond Latin are loaded when such a letter is shown, and a font is compressed in itself. */
const isFirst = (name) => /\.(?:html|js|css|svg)$|-latin-wght-normal.*\.woff2$/.test(name);

let sum = 0;
for (const entry of readdirSync(dist, { recursive: true, withFileTypes: true })) {
  if (!entry.isFile() || !isFirst(entry.name)) continue;
  const bytes = gzipSync(readFileSync(join(entry.parentPath, entry.name)), { level: 9 }).length;
  sum += bytes;
  console.log(`${String(bytes).padStart(8)}  ${entry.name}`);
}
console.log(`${String(sum).padStart(8)}  in all, of at most ${MOST}`);
if (sum > MOST) process.exit(1);
