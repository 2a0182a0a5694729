/** The frame of every page: where one can go, whether the connection stands, and what has just changed. */
import { lazy, Suspense } from "react";
import { Link, Route, Switch, useRoute } from "wouter";
import { useConnection } from "./api/connection";
import { hasKey, signOut } from "./api/key";
import { useRoles } from "./api/roles";
import { AskPage } from "./ask/AskPage";
import { LiveProvider } from "./live/Live";
import { Notes } from "./live/Notes";
import type { Amounts } from "./live/total";
import { DropZone } from "./load/upload/DropZone";
import { UploadsWaiting } from "./load/upload/UploadsWaiting";
import { useUploads } from "./load/upload/uploads";
import { LOCALES, type Locale, useLocale, useMessages } from "./locale";
import { useSettings } from "./settings";
import { Pick } from "./ui/Pick";
import { ThemeSwitch } from "./ui/ThemeSwitch";
import { words } from "./words";

const LoadsPage = lazy(() => import("./load/LoadsPage"));

export function App({ total }: { total: Amounts | undefined }) {
  const say = useMessages(words);
  const { asksWho, graphiql, upload } = useSettings();
  const { mayLoad } = useRoles();
  const [isLoads] = useRoute("/loads/:number?");
  return (
    <LiveProvider total={total}>
      <a className="skip" href="#main">
        {say.skip}
      </a>
      <header className="bar">
        <Link className="wordmark" href="/" aria-label="paystats">
          <img src="/favicon.svg" alt="" width="26" height="26" />
          <span className="wide">paystats</span>
        </Link>
        <nav aria-label={say.pages}>
          <Link href="/" className={(active) => (active ? "tab current" : "tab")}>
            {say.ask}
          </Link>
          <Link href="/loads" className={isLoads ? "tab current" : "tab"}>
            {say.loads}
          </Link>
          {graphiql && (
            <a className="tab" href="/graphiql">
              GraphiQL
            </a>
          )}
        </nav>
        <Language />
        <ThemeSwitch />
        {asksWho && hasKey() && (
          <button type="button" className="sign-out" aria-label={say.signOut} title={say.signOut} onClick={signOut}>
            <span className="wide">{say.signOut}</span>
            <svg className="narrow" viewBox="0 0 16 16" width="16" height="16" aria-hidden="true">
              <path d="M6 2.500H3v11h3M6.500 8H14M11 5l3 3-3 3" />
            </svg>
          </button>
        )}
      </header>
      <Connection />
      {!isLoads && <AllUploadsWaiting />}
      <main id="main" tabIndex={-1}>
        <Suspense fallback={<p className="hint">{say.opening}</p>}>
          <Switch>
            <Route path="/" component={AskPage} />
            <Route path="/loads/:number?" component={LoadsPage} />
            <Route>
              <section className="empty">
                <h1>{say.nothingHere}</h1>
                <Link href="/">{say.toStart}</Link>
              </section>
            </Route>
          </Switch>
        </Suspense>
      </main>
      {mayLoad && upload.maxBytes > 0 && <DropZone />}
      <Notes />
    </LiveProvider>
  );
}

/** The pages of loads show them themselves. */
function AllUploadsWaiting() {
  return <UploadsWaiting uploads={useUploads()} />;
}

function Connection() {
  const say = useMessages(words);
  const state = useConnection();
  return (
    <div role="status" className="connection" data-state={state}>
      {state === "lost" && say.connectionLost}
    </div>
  );
}

function Language() {
  const say = useMessages(words);
  const { locale, setLocale } = useLocale();
  return (
    <Pick sign={locale.toUpperCase()}>
      <select aria-label={say.language} value={locale} onChange={(event) => setLocale(event.target.value as Locale)}>
        {Object.entries(LOCALES).map(([tag, name]) => (
          <option key={tag} value={tag} lang={tag}>
            {name}
          </option>
        ))}
      </select>
    </Pick>
  );
}
