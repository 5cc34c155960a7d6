import { cleanup, render } from "@testing-library/react";
import fc from "fast-check";
import { afterEach, describe, expect, test } from "vitest";
import { toBlocks, type Blocks } from "../src/markdown/blocks";
import { safeAddress } from "../src/markdown/links";
import { Markdown } from "../src/markdown/Markdown";
import type { CueMark } from "../src/markdown/source";

afterEach(cleanup);

const cue = (offset: number, value = "happy"): CueMark => ({ kind: "emotion", value, offset });

function show(text: string, cues: readonly CueMark[] = []): HTMLElement {
  return render(<Markdown text={text} cues={cues} />).container;
}

/** The text with each cue as `<value>` at its place. */
function withCues(shown: HTMLElement): string {
  const container = shown.cloneNode(true) as HTMLElement;
  for (const found of container.querySelectorAll<HTMLElement>("[data-testid=marker-cue]")) {
    found.replaceWith(`<${found.dataset["value"] ?? ""}>`);
  }
  return container.textContent;
}

describe("Markdown", () => {
  test("becomes elements", () => {
    const shown = show(
      "# Title\n\nSome **bold** and `co < de`, [a link](https://example.org/x?y=1&z) &amp; &eacute;.\n\n- one\n- two\n\n" +
        "1. [x] done\n\n> said\n\n```js\nlet a = 1 < 2;\n```\n\n| a | b |\n|---|--:|\n| 1 | 2 |\n\n---",
    );
    expect(shown.querySelector("h3")?.textContent).toBe("Title");
    expect(shown.querySelector("strong")?.textContent).toBe("bold");
    expect(shown.querySelector("p code")?.textContent).toBe("co < de");
    expect(shown.querySelector("p")?.textContent).toBe("Some bold and co < de, a link & é.");
    expect([...shown.querySelectorAll("ul li")].map((item) => item.textContent)).toEqual(["one", "two"]);
    expect(shown.querySelector("ol li")?.textContent).toBe("☑ done");
    expect(shown.querySelector("blockquote")?.textContent).toBe("said");
    expect(shown.querySelector("pre code")?.textContent).toBe("let a = 1 < 2;");
    expect([...shown.querySelectorAll("td")].map((cell) => cell.textContent)).toEqual(["1", "2"]);
    expect(shown.querySelector("hr")).not.toBeNull();
    const link = shown.querySelector("a");
    expect(link?.getAttribute("href")).toBe("https://example.org/x?y=1&z");
    expect(link?.getAttribute("rel")).toBe("noopener noreferrer");
  });

  test.each([
    "<script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "text <b onclick=alert(1)>bold</b>",
    "<iframe srcdoc='<script>alert(1)</script>'></iframe>",
    "[x](javascript:alert(1))",
    "[x]( JaVaScRiPt:alert(1))",
    "[x](data:text/html,<script>alert(1)</script>)",
    "![x](https://tracker.example/pixel.png)",
    '![x" onerror="alert(1)](x)',
    "<javascript:alert(1)>",
    "[x](//tracker.example/)",
    "<form action=https://tracker.example/><input autofocus onfocus=alert(1)></form>",
  ])("nothing in it does anything: %s", (text) => {
    const shown = show(text);
    for (const element of shown.querySelectorAll("*")) {
      expect(["P", "A", "SPAN", "SVG", "PATH"]).toContain(element.tagName.toUpperCase());
      for (const name of element.getAttributeNames()) expect(name).not.toMatch(/^(?:on|src|style)/);
    }
    for (const link of shown.querySelectorAll("a")) expect(link.href).toMatch(/^https:/);
    expect(shown.textContent).not.toBe("");
  });

  test("only some addresses can be followed", () => {
    expect(safeAddress("https://example.org")).toBe("https://example.org/");
    expect(safeAddress("mailto:a@example.org")).toBe("mailto:a@example.org");
    for (const bad of [
      "javascript:x",
      "data:text/html,x",
      "vbscript:x",
      "/here",
      "x",
      "blob:https://a/b",
      "",
    ]) {
      expect(safeAddress(bad), bad).toBeUndefined();
    }
  });

  test("nesting without end is shown", () => {
    expect(show(">".repeat(5_000) + " deep").textContent).toContain("deep");
    expect(show("[".repeat(2_000) + "*".repeat(2_000)).textContent).toContain("[");
  });
});

describe("cues", () => {
  test.each<[string, number[], string]>([
    ["Hello there", [0], "<happy>Hello there"],
    ["Hello there", [6, 11], "Hello <happy>there<happy>"],
    ["a **bold** word", [2], "a <happy>bold word"],
    ["a **bold** word", [4], "a <happy>bold word"],
    ["a **bold** word", [6], "a bo<happy>ld word"],
    ["# Title\n\nText", [2, 9], "<happy>Title<happy>Text"],
    ["- one\n- two", [2, 8], "<happy>one<happy>two"],
    ["> a\n> b", [6], "a\n<happy>b"],
    ["x `code` y", [4], "x code<happy> y"],
    ["```\ncode\n```", [5], "code<happy>"],
    ["", [0], "<happy>"],
    ["A.\n\n", [4], "A.<happy>"],
    ["line\r\nnext", [6], "line \n<happy>next"],
  ])("stand at their places: %j %j", (text, offsets, expected) => {
    const shown = withCues(
      show(
        text,
        offsets.map((offset) => cue(offset)),
      ),
    );
    expect(shown.replace(/ +\n/g, " \n").trimEnd()).toBe(expected);
  });

  test("none is lost and none is added, whatever the text", () => {
    const piece = fc.constantFrom(
      "word ",
      "**",
      "_",
      "`",
      "\n",
      "\n\n",
      "- ",
      "> ",
      "# ",
      "[a](b)",
      "|",
      "\uE000",
      "<b>",
      "1. ",
      "\t",
      "    ",
    );
    const text = fc.array(piece, { maxLength: 25 }).map((pieces) => pieces.join(""));
    const places = fc.array(fc.double({ min: 0, max: 1, noNaN: true }), { maxLength: 6 });
    fc.assert(
      fc.property(text, places, (text, places) => {
        const offsets = places.map((place) => Math.round(place * text.length)).sort((a, b) => a - b);
        const shown = show(
          text,
          offsets.map((offset, at) => cue(offset, `v${at}`)),
        );
        const found = [...shown.querySelectorAll<HTMLElement>("[data-testid=marker-cue]")];
        expect(found.map((one) => one.dataset["value"])).toEqual(offsets.map((_, at) => `v${at}`));
        cleanup();
      }),
      { numRuns: 300 },
    );
  });
});

describe("a text that grows", () => {
  const text =
    "Intro *em*.\n\nSecond\nline\n===\n\n- a\n- b\n\n  more\n\n```js\nx\n\ny\n```\n\nLast paragraph with `code`.\n\n| a |\n|---|\n| 1 |\n";

  test("ends as it would have been read at once", () => {
    let known: Blocks | undefined;
    for (let end = 1; end <= text.length; end += 1) known = toBlocks(text.slice(0, end), known);
    const once = toBlocks(text);
    expect(known?.blocks.map(({ raw, start }) => [raw, start])).toEqual(
      once.blocks.map(({ raw, start }) => [raw, start]),
    );
  });

  test("keeps the blocks that cannot change any more", () => {
    const early = toBlocks("One.\n\nTwo.\n\nThree.\n\nFour");
    const late = toBlocks("One.\n\nTwo.\n\nThree.\n\nFour and more", early);
    expect(late.blocks[0]).toBe(early.blocks[0]);
    expect(late.blocks[1]).toBe(early.blocks[1]);
    expect(late.blocks[3]?.raw).toBe("Four and more");
  });
});
