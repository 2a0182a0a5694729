/** `?query=…&variables=…` opens with that operation; without it a first visit finds the examples as tabs. */
import "graphiql/setup-workers/vite";
import "graphiql/style.css";
import "./graphiql.css";
import { GraphiQL } from "graphiql";
import { hasKey, signOut } from "../dashboard/api/key";
import type { Settings } from "../dashboard/settings";
import { examples } from "../examples";
import { createFetcher } from "./fetcher";

export function editor({ asksWho }: Settings) {
  const asked = new URLSearchParams(location.search);
  const query = asked.get("query") ?? undefined;
  const variables = asked.get("variables") ?? undefined;
  const exampleTabs = examples.map(({ query, variables }) => ({
    query,
    variables: variables ? JSON.stringify(variables, null, 2) : null,
  }));
  const askedTabs = query ? [{ query, variables: variables ?? null }] : [];
  return (
    <GraphiQL
      fetcher={createFetcher(location)}
      defaultTabs={[...askedTabs, ...exampleTabs]}
      initialQuery={query}
      initialVariables={variables}
      defaultEditorToolsVisibility="variables"
      inputValueDeprecation
    >
      <GraphiQL.Logo>
        <span className="home">
          <a href="/">paystats</a>
          {asksWho && hasKey() && (
            <button type="button" className="graphiql-un-styled" onClick={signOut}>
              Sign out
            </button>
          )}
        </span>
      </GraphiQL.Logo>
    </GraphiQL>
  );
}
