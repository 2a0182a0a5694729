/** The form for a key, in place of the pages where the server asks who calls. */
import { type FormEvent, useEffect, useId, useRef, useState } from "react";
import { authorization, signIn, wasVoid } from "./api/key";
import { useMessages } from "./locale";
import { words } from "./words";

type Problem = "keyIsWrong" | "keyWasVoid" | "notSignedIn";

/** What the page has to say as it opens; asked once, for React renders twice. */
const atFirst: Problem | undefined = wasVoid() ? "keyWasVoid" : undefined;

export function SignIn() {
  const say = useMessages(words);
  const [problem, setProblem] = useState(atFirst);
  const [busy, setBusy] = useState(false);
  const field = useRef<HTMLInputElement>(null);
  const id = useId();
  useEffect(() => field.current?.focus(), []);

  const submit = async (event: FormEvent<HTMLFormElement>) => {
    event.preventDefault();
    if (busy) {
      return;
    }
    const key = String(new FormData(event.currentTarget).get("key")).trim();
    setBusy(true);
    setProblem(undefined);
    const found = await problemOf(key);
    if (found) {
      setProblem(found);
      setBusy(false);
      field.current?.select();
    } else {
      signIn(key);
    }
  };
  return (
    <main id="main" className="sign-in">
      <h1>paystats</h1>
      <form className="card" aria-busy={busy} onSubmit={submit}>
        <label htmlFor={id}>{say.key}</label>
        <input
          id={id}
          ref={field}
          name="key"
          type="password"
          autoComplete="current-password"
          required
          aria-invalid={problem === "keyIsWrong"}
          aria-describedby={`${id}-problem ${id}-hint`}
        />
        <p className="hint" id={`${id}-hint`}>
          {say.keyHint}
        </p>
        <div id={`${id}-problem`} role="alert">
          {problem && <p className="failure">{say[problem]}</p>}
        </div>
        <button type="submit" className="primary">
          {say.signIn}
        </button>
      </form>
    </main>
  );
}

/** Why one cannot sign in with a key, if one cannot. */
async function problemOf(key: string): Promise<Problem | undefined> {
  // A header takes no other signs, and no key has them.
  if (!/^[\x21-\x7e]+$/.test(key)) {
    return "keyIsWrong";
  }
  try {
    const headers = { "content-type": "application/json", ...authorization(key) };
    const body = JSON.stringify({ query: "{ __typename }" });
    const { status } = await fetch("/graphql", { method: "POST", headers, body });
    // A server that answers other documents only has accepted the key all the same.
    return status === 401 ? "keyIsWrong" : status === 429 || status >= 500 ? "notSignedIn" : undefined;
  } catch {
    return "notSignedIn";
  }
}
