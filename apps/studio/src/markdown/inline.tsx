import type { Token, Tokens } from "marked";
import { Fragment, type ReactNode } from "react";
import { Cue } from "./Cue";
import { decodeEntities } from "./entities";
import { ExternalLink } from "./ExternalLink";
import type { Piece, Source } from "./source";

/** How deep parts may be in each other; what is deeper is shown as it is written. */
export const DEEPEST = 40;

/** Pieces as elements. */
export function pieces(list: readonly Piece[]): ReactNode[] {
  return list.map((piece, at) =>
    typeof piece === "string" ? <Fragment key={at}>{piece}</Fragment> : <Cue key={at} mark={piece} />,
  );
}

/** The parts of a line as elements. HTML stays text. */
export function inline(tokens: readonly Token[], source: Source, depth: number): ReactNode[] {
  return tokens.map((token, at) => <Fragment key={at}>{part(token, source, depth)}</Fragment>);
}

function part(token: Token, source: Source, depth: number): ReactNode {
  if (depth > DEEPEST) return pieces(source.take(token.raw, token.raw));
  const children = () => inline((token as Tokens.Strong).tokens, source, depth + 1);
  switch (token.type) {
    case "strong":
      return <strong>{children()}</strong>;
    case "em":
      return <em>{children()}</em>;
    case "del":
      return <del>{children()}</del>;
    case "codespan":
      return code(token as Tokens.Codespan, source);
    case "br":
      return <br />;
    case "link":
      return <ExternalLink href={(token as Tokens.Link).href}>{children()}</ExternalLink>;
    case "image":
      return image(token as Tokens.Image, source);
    case "checkbox":
      return <span className="md-check">{(token as { checked?: boolean }).checked ? "☑ " : "☐ "}</span>;
    case "text":
    case "escape":
      return text(token as Tokens.Text, source, depth, token.type === "escape");
    default:
      return pieces(source.take(token.raw, token.raw));
  }
}

function text(token: Tokens.Text, source: Source, depth: number, isEscaped: boolean): ReactNode {
  if (token.tokens) return inline(token.tokens, source, depth + 1);
  // What a backslash escapes is no character reference.
  const shown = isEscaped ? token.text : decodeEntities(token.text);
  return pieces(source.take(shown, token.raw));
}

/** Cues stand behind the code that they fall into. */
function code(token: Tokens.Codespan, source: Source): ReactNode {
  const taken = source.take(token.text, token.raw);
  return (
    <>
      <code>{taken.filter((piece) => typeof piece === "string").join("")}</code>
      {pieces(taken.filter((piece) => typeof piece !== "string"))}
    </>
  );
}

/** Images are not loaded, as that would tell their server who reads what: a link says where they are. */
function image(token: Tokens.Image, source: Source): ReactNode {
  const name = decodeEntities(token.text).trim() || "image";
  return (
    <ExternalLink href={token.href} isImage>
      {pieces(source.take(name, token.raw))}
    </ExternalLink>
  );
}
