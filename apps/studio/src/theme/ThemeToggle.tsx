import { useSyncExternalStore } from "react";
import { Icon } from "../app/Icon";
import { chooseTheme, currentTheme, watchTheme } from "./theme";

/** Switches between light and dark. */
export function ThemeToggle() {
  const theme = useSyncExternalStore(watchTheme, currentTheme);
  const other = theme === "dark" ? "light" : "dark";
  return (
    <button
      type="button"
      className="icon-button"
      data-testid="theme-toggle"
      aria-label={`Switch to the ${other} theme`}
      title={`Switch to the ${other} theme`}
      onClick={() => chooseTheme(other)}
    >
      <Icon name={theme === "dark" ? "sun" : "moon"} />
    </button>
  );
}
