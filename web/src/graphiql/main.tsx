/**
 * GraphiQL, served by the server itself and complete: editor, workers and fonts are files of this build.
 * `?query=…&variables=…` opens with that operation; without it a first visit finds the examples as tabs.
 */
import "graphiql/setup-workers/vite";
import "graphiql/style.css";
import "./graphiql.css";
import { GraphiQL } from "graphiql";
import { createRoot } from "react-dom/client";
import { examples } from "../examples";
import { createFetcher } from "./fetcher";

const asked = new URLSearchParams(location.search);
const query = asked.get("query") ?? undefined;
const variables = asked.get("variables") ?? undefined;

const exampleTabs = examples.map(({ query, variables }) => ({
  query,
  variables: variables ? JSON.stringify(variables, null, 2) : null,
}));
const askedTabs = query ? [{ query, variables: variables ?? null }] : [];

const root = document.getElementById("graphiql");
if (!root) {
  throw new Error("graphiql.html has no #graphiql");
}

createRoot(root).render(
  <GraphiQL
    fetcher={createFetcher(location)}
    defaultTabs={[...askedTabs, ...exampleTabs]}
    initialQuery={query}
    initialVariables={variables}
    defaultEditorToolsVisibility="variables"
    inputValueDeprecation
  >
    <GraphiQL.Logo>
      <a className="home" href="/">
        paystats
      </a>
    </GraphiQL.Logo>
  </GraphiQL>,
);
