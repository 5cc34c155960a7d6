import js from "@eslint/js";
import reactHooks from "eslint-plugin-react-hooks";
import globals from "globals";
import tseslint from "typescript-eslint";

/** The same sizes that `cargo xtask tidy` holds Rust to. */
const sizes = {
  "max-lines": ["error", 500],
  "max-lines-per-function": ["error", 69],
};

const tests = ["**/tests/**", "**/e2e/**", "**/*.test.ts", "**/*.test.tsx"];

export default tseslint.config(
  { ignores: ["**/dist/**", "**/node_modules/**", "**/generated.ts", "target/**", "antiphon-data/**"] },
  js.configs.recommended,
  {
    files: ["**/*.ts", "**/*.tsx"],
    extends: [tseslint.configs.strictTypeChecked, tseslint.configs.stylisticTypeChecked],
    languageOptions: { parserOptions: { projectService: true, tsconfigRootDir: import.meta.dirname } },
    rules: {
      // Interfaces and type aliases each have their use.
      "@typescript-eslint/consistent-type-definitions": "off",
      "@typescript-eslint/consistent-type-imports": "error",
      "@typescript-eslint/restrict-template-expressions": [
        "error",
        { allowNumber: true, allowBoolean: true },
      ],
      "@typescript-eslint/no-confusing-void-expression": ["error", { ignoreArrowShorthand: true }],
      eqeqeq: "error",
    },
  },
  {
    files: ["**/*.tsx", "packages/react/**/*.ts", "apps/**/src/**/*.ts"],
    ...reactHooks.configs.flat.recommended,
  },
  { files: ["**/*.js", "**/*.mjs"], languageOptions: { globals: globals.node } },
  { files: ["docs/examples/**"], languageOptions: { globals: { ...globals.node, ...globals.browser } } },
  { rules: sizes },
  // A `describe` is as long as its tests.
  { files: tests, rules: { "max-lines-per-function": "off" } },
);
