/** The form for a key, in place of the pages where the server asks who calls. */
import { useState } from "react";
import { authorization, signIn } from "./api/key";
import { useMessages } from "./locale";
import { words } from "./words";

export function SignIn() {
  const say = useMessages(words);
  const [problem, setProblem] = useState<string>();
  const submit = async (form: FormData) => {
    const key = String(form.get("key")).trim();
    const headers = { "content-type": "application/json", ...authorization(key) };
    try {
      const body = JSON.stringify({ query: "{ __typename }" });
      const { status } = await fetch("/graphql", { method: "POST", headers, body });
      if (status === 200) {
        return signIn(key);
      }
      setProblem(status === 401 ? say.keyIsWrong : say.notSignedIn);
    } catch {
      setProblem(say.notSignedIn);
    }
  };
  return (
    <main id="main" className="sign-in">
      <h1>paystats</h1>
      <form
        className="card"
        onSubmit={(event) => {
          event.preventDefault();
          void submit(new FormData(event.currentTarget));
        }}
      >
        <label>
          {say.key}
          <input name="key" type="password" autoComplete="current-password" required />
        </label>
        <p className="hint">{say.keyHint}</p>
        {problem && <p role="alert">{problem}</p>}
        <button type="submit">{say.signIn}</button>
      </form>
    </main>
  );
}
