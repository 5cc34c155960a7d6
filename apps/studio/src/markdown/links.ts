/** Where a model's link may lead; every other address is shown as text. */
const PROTOCOLS = new Set(["http:", "https:", "mailto:"]);

/** An absolute address that is safe to follow, or `undefined`. */
export function safeAddress(href: string): string | undefined {
  try {
    const url = new URL(href);
    return PROTOCOLS.has(url.protocol) ? url.href : undefined;
  } catch {
    return undefined;
  }
}

/** What to call an address: its host and path. */
export function addressWords(href: string): string {
  try {
    const { host, pathname } = new URL(href);
    return host + (pathname === "/" ? "" : pathname);
  } catch {
    return href;
  }
}
