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
  /** It only told what it would do. */
  dryRun: boolean;
  state: LoadState;
  createdAt: string;
  /** Path of the file of its refused rows. */
  rejectionsCsv: string;
  progress: { rowsRead: number; rowsRejected: number; fraction: number | null };
}

export type LoadState =
  | "QUEUED"
  | "PLANNING"
  | "LOADING"
  | "ROLLING_UP"
  | "REVERTING"
  | "SUCCEEDED"
  | "FAILED"
  | "CANCELLED"
  | "UNDONE";

const OVERVIEW = `query Overview {
  total { amount count }
  postalCodes(first: 1) { totalCount }
  loads(first: 5) {
    nodes {
      id number entity source dryRun state createdAt rejectionsCsv
      progress { rowsRead rowsRejected fraction }
    }
  }
}`;

export const askOverview = () => ask<Overview>(OVERVIEW);

export const isEmpty = ({ total, postalCodes }: Overview) => total.count === 0 && postalCodes.totalCount === 0;

/** Whether its state changes by itself. */
export const isRunning = ({ state }: Load) =>
  ["QUEUED", "PLANNING", "LOADING", "ROLLING_UP", "REVERTING"].includes(state);
