import "../dashboard/app.css";
import { LocaleProvider } from "../dashboard/locale";
import { SignIn } from "../dashboard/SignIn";
import { type Settings, SettingsContext } from "../dashboard/settings";
import { applyTheme } from "../dashboard/ui/theme";

/** The form of the dashboard: whoever signs in begins anew at this address, with the editor. */
export function signIn(settings: Settings) {
  applyTheme();
  return (
    <SettingsContext value={settings}>
      <LocaleProvider>
        <SignIn />
      </LocaleProvider>
    </SettingsContext>
  );
}
