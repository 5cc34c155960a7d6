import type { Message } from "../types.js";

const CUE = "(?:emotion|gesture|pose|tone): ?[a-z0-9_-]+";
/** A whole marker as PROTOCOL.md has it; sticky, so that it is tried at one place. */
const MARKER = new RegExp(`\\[${CUE}(?:, ?${CUE})*\\]`, "iy");
const MOST_MARKER_CHARACTERS = 128;

/** The length of the marker that stands there in raw text; 0 where none does. */
function markerLength(raw: string, at: number): number {
  if (raw[at] !== "[") return 0;
  MARKER.lastIndex = at;
  const length = MARKER.exec(raw)?.[0].length ?? 0;
  return length <= MOST_MARKER_CHARACTERS ? length : 0;
}

/** Raw text up to so many code units of what is spoken, with the markers that stand before the next one. */
export function cutRaw(raw: string, spoken: number): string {
  let at = 0;
  for (let left = spoken; ; left--) {
    for (let length = markerLength(raw, at); length > 0; length = markerLength(raw, at)) at += length;
    if (left <= 0 || at >= raw.length) return raw.slice(0, at);
    at++;
  }
}

/** The place, no further than the text's end, or the one before it where it would cut a surrogate pair in two. */
function wholeCharacters(text: string, place: number): number {
  const offset = Math.min(place, text.length);
  const unit = text.charCodeAt(offset);
  const isInPair = unit >= 0xdc00 && unit <= 0xdfff && /[\ud800-\udbff]/.test(text.charAt(offset - 1));
  return isInPair ? offset - 1 : offset;
}

/** A message of which so much was heard, in UTF-16 code units of its text: what came after is gone. */
export function cutToHeard(message: Message, place: number): Message {
  const heard = wholeCharacters(message.text, place);
  const text = message.text.slice(0, heard);
  // Without a marker in it nothing was parsed: brackets are text.
  const content = message.content === message.text ? text : cutRaw(message.content, heard);
  const markers = message.markers.filter((marker) => marker.offset <= heard);
  return { ...message, content, text, markers, heard };
}
