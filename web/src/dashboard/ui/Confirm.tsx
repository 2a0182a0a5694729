import { useEffect, useRef, useState } from "react";
import { useFocusHandedOn } from "./use-focus-handed-on";

interface ConfirmProps {
  /** What the button that asks says. */
  ask: string;
  /** The name of the asking button where its words alone do not say of what. */
  name?: string;
  /** What will happen. */
  question: string;
  yes: string;
  no: string;
  busy?: boolean;
  run(): void;
}

/** A button that asks once more, in its own place, before it does what cannot simply be done again. */
export function Confirm({ ask, name, question, yes, no, busy = false, run }: ConfirmProps) {
  const [asking, setAsking] = useState(false);
  const part = useRef<HTMLDivElement>(null);
  const first = useRef<HTMLButtonElement>(null);
  const last = useRef<HTMLButtonElement>(null);
  const wasAsking = useRef(false);
  useEffect(() => {
    if (asking) {
      last.current?.focus();
    } else if (wasAsking.current) {
      first.current?.focus();
    }
    wasAsking.current = asking;
  }, [asking]);
  useFocusHandedOn(part);
  return (
    <div className="confirm" ref={part}>
      {asking ? (
        <fieldset aria-label={question} onKeyDown={(event) => event.key === "Escape" && setAsking(false)}>
          <p className="confirm-question">{question}</p>
          <button
            type="button"
            className="danger"
            onClick={() => {
              run();
              setAsking(false);
            }}
          >
            {yes}
          </button>
          <button type="button" ref={last} onClick={() => setAsking(false)}>
            {no}
          </button>
        </fieldset>
      ) : (
        // Not `disabled`, which would take the focus away.
        <button
          type="button"
          ref={first}
          aria-label={name}
          aria-disabled={busy}
          onClick={() => !busy && setAsking(true)}
        >
          {ask}
        </button>
      )}
    </div>
  );
}
