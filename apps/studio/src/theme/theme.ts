/** How the page looks. */
export type Theme = "light" | "dark";

const KEPT_AS = "antiphon.theme";
const listeners = new Set<() => void>();
const systemIsDark = matchMedia("(prefers-color-scheme: dark)");

/** What the person chose, else what the system is set to. */
export function currentTheme(): Theme {
  const chosen = localStorage.getItem(KEPT_AS);
  if (chosen === "light" || chosen === "dark") return chosen;
  return systemIsDark.matches ? "dark" : "light";
}

function show(): void {
  document.documentElement.dataset["theme"] = currentTheme();
  for (const listener of listeners) listener();
}

/** Shows the theme, and follows the system as long as nothing was chosen. */
export function startTheme(): void {
  systemIsDark.addEventListener("change", show);
  show();
}

/** Chooses a theme for good. */
export function chooseTheme(theme: Theme): void {
  localStorage.setItem(KEPT_AS, theme);
  show();
}

/** Calls the listener when the theme changes. Gives what ends that. */
export function watchTheme(listener: () => void): () => void {
  listeners.add(listener);
  return () => void listeners.delete(listener);
}
