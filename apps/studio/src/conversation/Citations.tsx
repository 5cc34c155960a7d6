import type { Citation } from "@antiphon/client";
import { ExternalLink } from "../markdown/ExternalLink";
import { addressWords } from "../markdown/links";

/** The sources that an answer names: `[1]` in its text is the first. */
export function Citations({ list }: { list: readonly Citation[] }) {
  return (
    <ol className="citations" aria-label="Sources">
      {list.map(({ url, title }, at) => (
        <li key={at}>
          <span aria-hidden="true">{at + 1}</span>
          <ExternalLink href={url}>{title ?? addressWords(url)}</ExternalLink>
        </li>
      ))}
    </ol>
  );
}
