import { useMessages } from "../../locale";
import { words } from "../../words";

/** Grey lines where rows will be. */
export function Skeleton({ lines }: { lines: number }) {
  const say = useMessages(words);
  return (
    <div className="skeleton">
      <span className="visually-hidden">{say.opening}</span>
      {Array.from({ length: lines }, (_, line) => line).map((line) => (
        <div key={line} />
      ))}
    </div>
  );
}
