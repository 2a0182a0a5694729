/**
 * GraphiQL, served by the server itself and complete: editor, workers and fonts are files of this build. Where the server asks who calls, the
 * form for a key comes first; the dashboard of the same tab has the same key.
 */
import { createRoot } from "react-dom/client";
import { hasKey } from "../dashboard/api/key";
import { readSettings } from "../dashboard/settings";

const root = document.getElementById("graphiql");
if (!root) {
  throw new Error("graphiql.html has no #graphiql");
}
const settings = await readSettings();
// Their style sheets are about all of a page, so only one of them is loaded.
const page =
  settings.asksWho && !hasKey()
    ? (await import("./sign-in")).signIn(settings)
    : (await import("./editor")).editor(settings);
createRoot(root).render(page);
