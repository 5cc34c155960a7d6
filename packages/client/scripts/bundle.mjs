// Bundles and minifies the package into dist/antiphon.min.js, for pages without a bundler, and fails where it has grown
// past its bound.
import { build } from "esbuild";
import { writeFileSync } from "node:fs";
import { gzipSync } from "node:zlib";

/** What the package may weigh on the wire, in bytes: it must not be noticed beside any page. */
const MOST_GZIPPED_BYTES = 12_288;

/** The minified bundle. */
async function bundle() {
  const result = await build({
    entryPoints: [new URL("../src/index.ts", import.meta.url).pathname],
    bundle: true,
    minify: true,
    format: "esm",
    target: "es2022",
    write: false,
    logLevel: "warning",
  });
  return result.outputFiles[0].contents;
}

/** The size of the minified bundle, gzipped, in bytes. */
export async function gzippedBytes() {
  return gzipSync(await bundle(), { level: 9 }).length;
}

export { MOST_GZIPPED_BYTES };

if (process.argv[1] === new URL(import.meta.url).pathname) {
  writeFileSync(new URL("../dist/antiphon.min.js", import.meta.url), await bundle());
  const bytes = await gzippedBytes();
  console.log(`@antiphon/client: ${bytes} bytes minified and gzipped, of ${MOST_GZIPPED_BYTES}`);
  if (bytes > MOST_GZIPPED_BYTES) process.exit(1);
}
