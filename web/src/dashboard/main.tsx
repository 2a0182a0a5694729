/** The dashboard: asks and loads through the public API, and nothing else. */
import { ApolloProvider } from "@apollo/client/react";
import { StrictMode } from "react";
import { createRoot } from "react-dom/client";
import { App } from "./App";
import { client } from "./api/client";
import { hasKey } from "./api/key";
import { ALL_ROLES, RolesContext, readRoles } from "./api/roles";
import { readTotal } from "./live/total";
import { LocaleProvider } from "./locale";
import { SignIn } from "./SignIn";
import { readSettings, SettingsContext } from "./settings";
import { applyTheme } from "./ui/theme";

applyTheme();
const root = document.getElementById("app");
if (!root) {
  throw new Error("the page has no #app");
}
const settings = await readSettings();
const mustSignIn = settings.asksWho && !hasKey();
const [total, roles] = mustSignIn
  ? []
  : await Promise.all([readTotal(client), settings.asksWho ? readRoles(client) : undefined]);
createRoot(root).render(
  <StrictMode>
    <SettingsContext value={settings}>
      <LocaleProvider>
        {mustSignIn ? (
          <SignIn />
        ) : (
          <ApolloProvider client={client}>
            <RolesContext value={roles ?? ALL_ROLES}>
              <App total={total} />
            </RolesContext>
          </ApolloProvider>
        )}
      </LocaleProvider>
    </SettingsContext>
  </StrictMode>,
);
