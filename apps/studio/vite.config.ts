import { defineConfig } from "vitest/config";

/** Where `npm run dev` finds a server; the built page is served by the server itself. */
const SERVER = process.env["ANTIPHON_URL"] ?? "http://127.0.0.1:8787";

export default defineConfig({
  build: {
    // The page's Content-Security-Policy knows neither data: fonts nor inline scripts.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    target: "es2022",
    // The first with `light-dark()`.
    cssTarget: ["chrome123", "firefox120", "safari17.5"],
  },
  server: { proxy: { "/api": SERVER, "/ws": { target: SERVER, ws: true } } },
  test: { environment: "happy-dom", include: ["tests/**/*.test.{ts,tsx}"] },
});
