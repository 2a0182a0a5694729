/** Light, dark, or as the system is. Colours are CSS variables that know both; `color-scheme` decides. */
export const THEMES = ["auto", "light", "dark"] as const;
export type Theme = (typeof THEMES)[number];

const KEPT_AS = "paystats.theme";

export function chosenTheme(): Theme {
  const kept = localStorage.getItem(KEPT_AS);
  return THEMES.find((theme) => theme === kept) ?? "auto";
}

export function applyTheme(theme = chosenTheme()) {
  localStorage.setItem(KEPT_AS, theme);
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
