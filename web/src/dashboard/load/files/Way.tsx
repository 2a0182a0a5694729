import { useMessages } from "../../locale";
import { wayTo } from "./folders";
import { words } from "./words";

/** Where one is in the data lake, and the way back up. */
export function Way({ folder, open }: { folder: string; open(folder: string): void }) {
  const say = useMessages(words);
  const steps = [{ name: say.lake, path: "" }, ...wayTo(folder)];
  return (
    <nav className="way" aria-label={say.way}>
      <ol>
        {steps.map(({ name, path }, index) => (
          <li key={path}>
            {index === steps.length - 1 ? (
              <span aria-current="page">{name}</span>
            ) : (
              <button type="button" className="link" onClick={() => open(path)}>
                {name}
              </button>
            )}
          </li>
        ))}
      </ol>
    </nav>
  );
}
