import { beforeEach, expect, test } from "vitest";
import { chooseTheme, currentTheme, startTheme, watchTheme } from "../src/theme/theme";

beforeEach(() => localStorage.clear());

test("the theme follows the system until one is chosen, and the choice is kept", () => {
  startTheme();
  expect(document.documentElement.dataset["theme"]).toBe(currentTheme());
  let changes = 0;
  const end = watchTheme(() => (changes += 1));
  chooseTheme("dark");
  expect(document.documentElement.dataset["theme"]).toBe("dark");
  chooseTheme("light");
  expect(currentTheme()).toBe("light");
  expect(localStorage.getItem("antiphon.theme")).toBe("light");
  expect(changes).toBe(2);
  end();
});
