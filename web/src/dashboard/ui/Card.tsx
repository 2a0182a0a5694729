import { type ReactNode, useId, useRef, useState } from "react";
import { useMessages } from "../locale";
import { words } from "../words";
import { Problem } from "./Problem";

/** A way to take away what a card shows, such as CSV. It is given the element of the card. */
export interface Export {
  name: string;
  run(card: HTMLElement): void | Promise<void>;
}

interface CardProps {
  title: string;
  /** Whether newer data is on its way. */
  busy?: boolean;
  className?: string;
  exports?: Export[];
  /** The same as a table, for who would rather read, or cannot see the picture. */
  table?: ReactNode;
  children: ReactNode;
}

/** A part of the page with a title: a picture, the same as a table, and ways to take it away. */
export function Card({ title, busy, className = "", exports = [], table, children }: CardProps) {
  const say = useMessages(words);
  const id = useId();
  const card = useRef<HTMLElement>(null);
  const [asTable, setAsTable] = useState(false);
  const [failed, setFailed] = useState<Error>();
  const take = async (run: Export["run"]) => {
    setFailed(undefined);
    try {
      await (card.current && run(card.current));
    } catch (error) {
      setFailed(error as Error);
    }
  };
  return (
    <section className={`card ${className}`} aria-labelledby={id} aria-busy={busy} ref={card}>
      <div className="card-head">
        <h2 id={id}>{title}</h2>
        {table && (
          <button type="button" className="small" aria-pressed={asTable} onClick={() => setAsTable(!asTable)}>
            {say.table}
          </button>
        )}
        {exports.map(({ name, run }) => (
          <button
            type="button"
            className="small"
            key={name}
            aria-label={say.exportAs(title, name)}
            onClick={() => void take(run)}
          >
            {name}
          </button>
        ))}
      </div>
      {failed && <Problem error={failed} />}
      {asTable ? <div className="scroller table">{table}</div> : children}
    </section>
  );
}
