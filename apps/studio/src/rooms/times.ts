const DAY = 86_400_000;

/** When something was, as short as it can be understood: a time today, else a day. */
export function shortTime(iso: string, now = new Date(), locale?: string): string {
  const time = new Date(iso);
  if (Number.isNaN(time.getTime())) return "";
  if (time.toDateString() === now.toDateString()) {
    return time.toLocaleTimeString(locale, { hour: "2-digit", minute: "2-digit" });
  }
  if (now.getTime() - time.getTime() < 6 * DAY) return time.toLocaleDateString(locale, { weekday: "short" });
  return time.toLocaleDateString(locale, { day: "numeric", month: "short" });
}

/** Milliseconds for reading: two digits that count. */
export function milliseconds(value: number): string {
  if (!Number.isFinite(value)) return "–";
  if (value >= 1_000) return `${(value / 1_000).toFixed(1)} s`;
  return `${value >= 10 ? value.toFixed(0) : value.toFixed(2)} ms`;
}
