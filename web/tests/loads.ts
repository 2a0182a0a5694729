/** Loads as a client sees them: start one, watch it to its end, and what every client may rely on meanwhile. */
import assert from "node:assert/strict";
import { type Client, createClient } from "graphql-ws";
import { WebSocket } from "ws";
import type { Paystats } from "./harness.js";

export type Entity = "POSTAL_CODES" | "PAYSTATS";

export interface StartedLoad {
  id: string;
  number: number;
  state: string;
}

export interface Progress {
  seq: number;
  state: string;
  rowsRead: number;
  rowsInserted: number;
  rowsRejected: number;
  fraction: number | null;
}

export const START_LOAD = `mutation StartLoad($input: StartLoadInput!) {
  startLoad(input: $input) { load { id number state } }
}`;

export const WATCH_LOAD = `subscription WatchLoad($id: ID!) {
  loadProgress(id: $id) { seq state rowsRead rowsInserted rowsRejected fraction }
}`;

const SUCCESSFUL_LIFE = ["QUEUED", "PLANNING", "LOADING", "ROLLING_UP", "SUCCEEDED"];

export function webSocketClient(paystats: Paystats): Client {
  return createClient({ url: paystats.webSocketUrl, webSocketImpl: WebSocket, retryAttempts: 0 });
}

/** Puts `content` into the data lake, loads it, and returns when the load has ended well. */
export async function load(paystats: Paystats, entity: Entity, source: string, content: string): Promise<StartedLoad> {
  await paystats.putFile(source, content);
  return loadFile(paystats, entity, source);
}

/** Loads a file of the data lake, and returns when the load has ended well. */
export async function loadFile(paystats: Paystats, entity: Entity, source: string): Promise<StartedLoad> {
  const variables = { input: { entity, source } };
  const { startLoad } = await paystats.ask<{ startLoad: { load: StartedLoad } }>(START_LOAD, variables);
  const client = webSocketClient(paystats);
  assertSuccessfulLife(await watch(client, startLoad.load.id));
  await client.dispose();
  return startLoad.load;
}

/** Everything that `loadProgress` says about a load, up to the end of the subscription. */
export async function watch(client: Client, id: string): Promise<Progress[]> {
  const seen: Progress[] = [];
  for await (const { data, errors } of client.iterate<{ loadProgress: Progress }>({
    query: WATCH_LOAD,
    variables: { id },
  })) {
    assert.equal(errors, undefined);
    assert.ok(data);
    seen.push(data.loadProgress);
  }
  return seen;
}

/** A slow listener may skip states, but sees them in order, numbered upwards, and always the last one. */
export function assertSuccessfulLife(seen: Progress[]): void {
  const story = JSON.stringify(seen.map(({ seq, state, rowsRead }) => [seq, state, rowsRead]));
  assert.ok(seen.length > 0, "no progress was seen");
  assert.equal(seen.at(-1)?.state, "SUCCEEDED", story);
  assert.equal(seen.at(-1)?.fraction, 1, story);
  for (const [before, after] of seen.slice(1).map((after, index) => [seen[index], after] as const)) {
    assert.ok(before && before.seq < after.seq, `seq goes up: ${story}`);
    assert.ok(before.rowsRead <= after.rowsRead, `rowsRead never falls: ${story}`);
    assert.ok(stage(before) <= stage(after), `states come in order: ${story}`);
  }
}

function stage({ state }: Progress): number {
  const index = SUCCESSFUL_LIFE.indexOf(state);
  assert.notEqual(index, -1, `a successful load is never ${state}`);
  return index;
}
