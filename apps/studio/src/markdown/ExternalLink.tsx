import type { ReactNode } from "react";
import { Icon } from "../app/Icon";
import { safeAddress } from "./links";

/** A link out of the page, or only its words where it is not safe to follow. */
export function ExternalLink(props: { href: string; isImage?: boolean; children: ReactNode }): ReactNode {
  const address = safeAddress(props.href);
  if (address === undefined) return <span>{props.children}</span>;
  return (
    <a href={address} target="_blank" rel="noopener noreferrer" title={address}>
      {props.isImage === true && <Icon name="image" />}
      {props.children}
    </a>
  );
}
