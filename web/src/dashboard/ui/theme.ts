/** Light, dark, or as the system is. Colours are CSS variables that know both; `color-scheme` decides. */
import { keep, kept } from "./kept";

export const THEMES = ["auto", "light", "dark"] as const;
export type Theme = (typeof THEMES)[number];

const KEPT_AS = "paystats.theme";

let chosen = THEMES.find((theme) => theme === kept(KEPT_AS)) ?? "auto";

export function chosenTheme(): Theme {
  return chosen;
}

export function applyTheme(theme = chosenTheme()) {
  chosen = theme;
  keep(KEPT_AS, theme);
  document.documentElement.dataset.theme = theme;
  dispatchEvent(new Event("themechange"));
}

const dark = matchMedia("(prefers-color-scheme: dark)");

export const isDark = () => chosenTheme() === "dark" || (chosenTheme() === "auto" && dark.matches);

/** Calls `listener` when light becomes dark or the other way round. */
export function onThemeChange(listener: () => void): () => void {
  dark.addEventListener("change", listener);
  addEventListener("themechange", listener);
  return () => {
    dark.removeEventListener("change", listener);
    removeEventListener("themechange", listener);
  };
}
