/** The dashboard: asks and loads through the public API, and nothing else. */
import { ApolloProvider } from "@apollo/client/react";
import { StrictMode } from "react";
import { createRoot } from "react-dom/client";
import { App } from "./App";
import { client } from "./api/client";
import { readTotal } from "./live/total";
import { LocaleProvider } from "./locale";
import { readSettings, SettingsContext } from "./settings";
import { applyTheme } from "./ui/theme";

applyTheme();
const root = document.getElementById("app");
if (!root) {
  throw new Error("the page has no #app");
}
const [settings, total] = await Promise.all([readSettings(), readTotal(client)]);
createRoot(root).render(
  <StrictMode>
    <SettingsContext value={settings}>
      <LocaleProvider>
        <ApolloProvider client={client}>
          <App total={total} />
        </ApolloProvider>
      </LocaleProvider>
    </SettingsContext>
  </StrictMode>,
);
