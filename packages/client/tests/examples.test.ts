import { execFile } from "node:child_process";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { Binary } from "./support/binary.js";

const run = promisify(execFile);
const inRepository = (path: string): string => fileURLToPath(new URL(`../../../${path}`, import.meta.url));

let server: Binary;

beforeAll(async () => {
  // The example uses the package as it is published.
  await run(
    process.execPath,
    [inRepository("node_modules/typescript/bin/tsc"), "-p", "tsconfig.build.json"],
    {
      cwd: inRepository("packages/client"),
    },
  );
  server = await Binary.start("http://127.0.0.1:9/v1");
});

afterAll(() => server.remove());

describe("the example for Node.js", () => {
  it("prints an answer of the demo's agent and ends", async () => {
    const program = inRepository("docs/examples/client/ask.mjs");
    const { stdout } = await run(process.execPath, [program, "hello", server.url], { timeout: 25_000 });
    expect(stdout).toMatch(/^Hello! I am the Guide\./);
    expect(stdout).not.toContain("[emotion:");
    expect(stdout).not.toContain("  ");
    expect(stdout.match(/I am the Guide/g)).toHaveLength(1);
  });
});
