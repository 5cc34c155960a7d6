import { fileURLToPath } from "node:url";
import { defineConfig } from "vitest/config";

export default defineConfig({
  resolve: {
    alias: { "@antiphon/client": fileURLToPath(new URL("../client/src/index.ts", import.meta.url)) },
  },
  test: {
    environment: "happy-dom",
    include: ["tests/**/*.test.tsx"],
  },
});
