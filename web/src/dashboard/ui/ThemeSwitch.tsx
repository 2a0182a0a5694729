import { useState } from "react";
import { useMessages } from "../locale";
import { words } from "../words";
import { Pick } from "./Pick";
import { applyTheme, chosenTheme, THEMES, type Theme } from "./theme";

const SIGNS: Record<Theme, string> = { auto: "◐", light: "☀", dark: "☾" };

export function ThemeSwitch() {
  const say = useMessages(words);
  const [theme, setTheme] = useState(chosenTheme);
  const choose = (next: Theme) => {
    applyTheme(next);
    setTheme(next);
  };
  return (
    <Pick sign={SIGNS[theme]}>
      <select aria-label={say.theme} value={theme} onChange={(event) => choose(event.target.value as Theme)}>
        {THEMES.map((name) => (
          <option key={name} value={name}>
            {say.themes[name]}
          </option>
        ))}
      </select>
    </Pick>
  );
}
