/** What is in the store now: the one question that the start page keeps asking. */
import { ask } from "./api";

export interface Overview {
  /** `amount` is an exact decimal as text; it must never pass through a float. */
  total: { amount: string; count: number };
  postalCodes: { totalCount: number };
  loads: { nodes: Load[] };
}

export interface Load {
  id: string;
  number: number;
  entity: "POSTAL_CODES" | "PAYSTATS";
  source: string;
  state: LoadState;
  createdAt: string;
  progress: { rowsRead: number; rowsRejected: number; fraction: number | null };
}

export type LoadState = "QUEUED" | "PLANNING" | "LOADING" | "SUCCEEDED" | "FAILED";

const OVERVIEW = `query Overview {
  total { amount count }
  postalCodes(first: 1) { totalCount }
  loads(first: 5) {
    nodes { id number entity source state createdAt progress { rowsRead rowsRejected fraction } }
  }
}`;

export const askOverview = () => ask<Overview>(OVERVIEW);

export const isEmpty = ({ total, postalCodes }: Overview) => total.count === 0 && postalCodes.totalCount === 0;

export const isRunning = ({ state }: Load) => ["QUEUED", "PLANNING", "LOADING"].includes(state);
