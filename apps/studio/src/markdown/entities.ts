/** One character reference of HTML, which Markdown knows as well. */
const REFERENCE = /&(?:#\d{1,7}|#[xX][0-9a-fA-F]{1,6}|[a-zA-Z][a-zA-Z0-9]{1,31});/g;

/** The text with `&amp;`, `&eacute;` and the like as the characters that they name. */
export function decodeEntities(text: string): string {
  if (!text.includes("&")) return text;
  return text.replace(REFERENCE, (reference) => {
    // The browser knows all names. A reference holds no tag, and a parsed document runs nothing.
    const parsed = new DOMParser().parseFromString(`<body>${reference}`, "text/html");
    return parsed.body.textContent || reference;
  });
}
