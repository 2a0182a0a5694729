/** What the operator has set for this page: `GET /dashboard.json`. */
import { createContext, use } from "react";

export interface Settings {
  /** ISO 4217 code of the currency that amounts are in. */
  currency: string;
  /** Raster tiles (`…/{z}/{x}/{y}.png`) or a MapLibre style below the postal codes; none by default. */
  baseMap: { url: string; attribution: string | null } | null;
  /** Whether the server asks who calls. */
  asksWho: boolean;
  /** Whether there is GraphiQL. */
  graphiql: boolean;
  upload: {
    /** Largest file in bytes; 0 where nothing can be uploaded. */
    maxBytes: number;
    /** Whether an upload that broke off can go on. */
    inPieces: boolean;
  };
}

const DEFAULTS: Settings = {
  currency: "EUR",
  baseMap: null,
  asksWho: false,
  graphiql: true,
  upload: { maxBytes: 0, inPieces: false },
};

/** A server that cannot tell leaves the page usable. */
export async function readSettings(): Promise<Settings> {
  try {
    const response = await fetch("/dashboard.json");
    return response.ok ? { ...DEFAULTS, ...(await response.json()) } : DEFAULTS;
  } catch {
    return DEFAULTS;
  }
}

export const SettingsContext = createContext(DEFAULTS);
export const useSettings = () => use(SettingsContext);
