const KEPT_AS = "antiphon.titles";
/** Titles that are kept; the oldest go first. */
const MOST = 200;
const LONGEST = 60;
const listeners = new Set<() => void>();
let titles: Readonly<Record<string, string>> | undefined;

function read(): Readonly<Record<string, string>> {
  try {
    titles ??= JSON.parse(localStorage.getItem(KEPT_AS) ?? "{}") as Record<string, string>;
  } catch {
    titles = {};
  }
  return titles;
}

/** What a room is called here: how its first message begins. */
export function titleOf(id: string): string | undefined {
  return read()[id];
}

/** Calls a room by its first message. */
export function nameRoom(id: string, message: string): void {
  const words = message.replace(/\s+/g, " ").trim();
  const title = words.length > LONGEST ? `${words.slice(0, LONGEST - 1).trimEnd()}…` : words;
  if (title === "" || titleOf(id) === title) return;
  const others = Object.entries(read()).filter(([room]) => room !== id);
  const kept: [string, string][] = [...others, [id, title]];
  titles = Object.fromEntries<string>(kept.slice(-MOST));
  localStorage.setItem(KEPT_AS, JSON.stringify(titles));
  for (const listener of listeners) listener();
}

/** Calls the listener when a title changes. Gives what ends that. */
export function watchTitles(listener: () => void): () => void {
  listeners.add(listener);
  return () => void listeners.delete(listener);
}
