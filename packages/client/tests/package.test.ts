import { execFile } from "node:child_process";
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { describe, expect, it } from "vitest";
import { gzippedBytes, MOST_GZIPPED_BYTES } from "../scripts/bundle.mjs";

const run = promisify(execFile);
const inPackage = (path: string): string => fileURLToPath(new URL(`../${path}`, import.meta.url));

describe("the package", () => {
  it("is small", async () => {
    expect(await gzippedBytes()).toBeLessThanOrEqual(MOST_GZIPPED_BYTES);
  });

  it("depends on nothing", () => {
    const manifest = JSON.parse(readFileSync(inPackage("package.json"), "utf8")) as Record<string, unknown>;
    expect(manifest["dependencies"] ?? {}).toEqual({});
  });

  it("has the types of the server's document", async () => {
    await run(process.execPath, [inPackage("scripts/generate.mjs"), "--check"]);
  });
});
