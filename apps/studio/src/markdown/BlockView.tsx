import type { Token, Tokens } from "marked";
import { Fragment, memo, type ReactNode } from "react";
import type { Block } from "./blocks";
import { DEEPEST, inline, pieces } from "./inline";
import { Source, type CueMark } from "./source";

/** One block as elements. It renders again only when it or its cues change. */
export const BlockView = memo(
  function BlockView({ block, cues }: { block: Block; cues: readonly CueMark[] }) {
    const source = new Source(block.raw, cues);
    const rest = () => pieces(source.rest());
    return (
      <>
        {element(block.token, source, 0, rest)}
        {rest()}
      </>
    );
  },
  (one, other) =>
    (one.block === other.block || one.block.raw === other.block.raw) && areSame(one.cues, other.cues),
);

function areSame(one: readonly CueMark[], other: readonly CueMark[]): boolean {
  return one.length === other.length && one.every((cue, at) => cue.offset === other[at]?.offset);
}

/** `rest` gives the cues that are left, for the end of the last line. */
function element(token: Token, source: Source, depth: number, rest: () => ReactNode): ReactNode {
  if (depth > DEEPEST) return <p>{pieces(source.take(token.raw, token.raw))}</p>;
  switch (token.type) {
    case "heading":
      return heading(token as Tokens.Heading, source, depth, rest);
    case "code":
      return codeBlock(token as Tokens.Code, rest);
    case "blockquote":
      return (
        <blockquote>{elements((token as Tokens.Blockquote).tokens, source, depth + 1, rest)}</blockquote>
      );
    case "list":
      return list(token as Tokens.List, source, depth, rest);
    case "table":
      return table(token as Tokens.Table, source, depth, rest);
    case "hr":
      return <hr />;
    case "def":
    case "space":
      return null;
    case "paragraph":
    case "text":
      return paragraph(token as Tokens.Paragraph, source, depth, rest);
    default:
      // HTML, which is shown as what it is: text.
      return (
        <p className="md-plain">
          {pieces(source.take(token.raw.trimEnd(), token.raw.trimEnd()))}
          {rest()}
        </p>
      );
  }
}

const nothing = (): ReactNode => null;

function elements(
  tokens: readonly Token[],
  source: Source,
  depth: number,
  rest: () => ReactNode,
): ReactNode[] {
  return tokens.map((token, at) => (
    <Fragment key={at}>{element(token, source, depth, at === tokens.length - 1 ? rest : nothing)}</Fragment>
  ));
}

function paragraph(token: Tokens.Paragraph, source: Source, depth: number, rest: () => ReactNode): ReactNode {
  return (
    <p>
      {inline(token.tokens, source, depth + 1)}
      {rest()}
    </p>
  );
}

/** An answer's headings stand below the page's own. */
function heading(token: Tokens.Heading, source: Source, depth: number, rest: () => ReactNode): ReactNode {
  const Tag = (["h3", "h4", "h5", "h6"] as const)[Math.min(token.depth, 4) - 1] ?? "h6";
  return (
    <Tag>
      {inline(token.tokens, source, depth + 1)}
      {rest()}
    </Tag>
  );
}

function codeBlock(token: Tokens.Code, rest: () => ReactNode): ReactNode {
  const language = token.lang?.trim() ?? "";
  return (
    <>
      <pre tabIndex={0} role="group" aria-label={language === "" ? "code" : `code, ${language}`}>
        <code>{token.text}</code>
      </pre>
      {rest()}
    </>
  );
}

function list(token: Tokens.List, source: Source, depth: number, rest: () => ReactNode): ReactNode {
  const items = token.items.map((item, at) => {
    const atEnd = at === token.items.length - 1 ? rest : nothing;
    return <li key={at}>{listItem(item, source, depth + 1, atEnd)}</li>;
  });
  if (!token.ordered) return <ul>{items}</ul>;
  return <ol start={typeof token.start === "number" ? token.start : 1}>{items}</ol>;
}

/** The words of a tight list's item stand in it without a paragraph. */
function listItem(item: Tokens.ListItem, source: Source, depth: number, rest: () => ReactNode): ReactNode {
  const hasBox = item.tokens.some((token) => token.type === "checkbox");
  const parts = item.tokens.map((token, at) => {
    const isLine = token.type === "text" || token.type === "checkbox";
    const content = isLine ? inline([token], source, depth) : element(token, source, depth, nothing);
    return <Fragment key={at}>{content}</Fragment>;
  });
  return (
    <>
      {item.task && !hasBox && <span className="md-check">{item.checked === true ? "☑ " : "☐ "}</span>}
      {parts}
      {rest()}
    </>
  );
}

function table(token: Tokens.Table, source: Source, depth: number, rest: () => ReactNode): ReactNode {
  const align = (cell: Tokens.TableCell) => (cell.align === null ? undefined : `md-${cell.align}`);
  return (
    <>
      <div className="md-table" tabIndex={0} role="group" aria-label="table">
        <table>
          <thead>
            <tr>
              {token.header.map((cell, at) => (
                <th key={at} className={align(cell)}>
                  {inline(cell.tokens, source, depth + 1)}
                </th>
              ))}
            </tr>
          </thead>
          <tbody>
            {token.rows.map((row, at) => (
              <tr key={at}>
                {row.map((cell, place) => (
                  <td key={place} className={align(cell)}>
                    {inline(cell.tokens, source, depth + 1)}
                  </td>
                ))}
              </tr>
            ))}
          </tbody>
        </table>
      </div>
      {rest()}
    </>
  );
}
