/** The language of the page, and how it writes numbers, money and time. */
import { createContext, type ReactNode, use, useCallback, useMemo, useState } from "react";
import { useSettings } from "../settings";
import { keep, kept } from "../ui/kept";
import { type Format, makeFormat } from "./format";

export const LOCALES = { en: "English", es: "Español" } as const;
export type Locale = keyof typeof LOCALES;

interface LocaleState {
  locale: Locale;
  setLocale(locale: Locale): void;
  format: Format;
}

const LocaleContext = createContext<LocaleState | null>(null);
const KEPT_AS = "paystats.locale";

function firstLocale(): Locale {
  const wished = [kept(KEPT_AS), ...navigator.languages];
  return wished.map((tag) => tag?.slice(0, 2)).find((tag): tag is Locale => !!tag && tag in LOCALES) ?? "en";
}

export function LocaleProvider({ children }: { children: ReactNode }) {
  const { currency } = useSettings();
  const [locale, choose] = useState(firstLocale);
  const setLocale = useCallback((next: Locale) => {
    keep(KEPT_AS, next);
    choose(next);
  }, []);
  document.documentElement.lang = locale;
  const state = useMemo(
    // The browser's own tag says more: en-GB and es-MX write dates and numbers differently.
    () => ({ locale, setLocale, format: makeFormat(regional(locale), currency) }),
    [locale, setLocale, currency],
  );
  return <LocaleContext value={state}>{children}</LocaleContext>;
}

const regional = (locale: Locale) => navigator.languages.find((tag) => tag.slice(0, 2) === locale) ?? locale;

export function useLocale(): LocaleState {
  const state = use(LocaleContext);
  if (!state) {
    throw new Error("there is no LocaleProvider");
  }
  return state;
}

export const useFormat = () => useLocale().format;

/** What a part of the page says, in each language. Parts own their words: `const words = { en: {…}, es: {…} }`. */
export type Messages<Words> = Record<Locale, Words>;

export function useMessages<Words>(messages: Messages<Words>): Words {
  return messages[useLocale().locale];
}
