/** Rows that stayed when a load was undone, put together by why they stayed. */
import type { KeptReason } from "../../gql/graphql";

interface KeptRow {
  databaseId: number;
  reason: KeptReason;
  load?: { number: number } | null;
}

export interface KeptGroup {
  reason: KeptReason;
  /** The newer load that replaced them. */
  load?: number;
  ids: number[];
}

/** Rows of one reason, and of one newer load: the largest group first. */
export function grouped(rows: KeptRow[]): KeptGroup[] {
  const groups = new Map<string, KeptGroup>();
  for (const { databaseId, reason, load } of rows) {
    const key = `${reason} ${load?.number ?? ""}`;
    const group = groups.get(key) ?? { reason, load: load?.number, ids: [] };
    group.ids.push(databaseId);
    groups.set(key, group);
  }
  return [...groups.values()].sort((a, b) => b.ids.length - a.ids.length);
}

/** Ids in few characters: `1, 2, 3, 7` as `1–3, 7`. */
export function inRanges(ids: number[]): string {
  const ranges: [number, number][] = [];
  for (const id of [...ids].sort((a, b) => a - b)) {
    const last = ranges.at(-1);
    if (last && id === last[1] + 1) {
      last[1] = id;
    } else {
      ranges.push([id, id]);
    }
  }
  return ranges.map(([from, to]) => (from === to ? `${from}` : `${from}–${to}`)).join(", ");
}
