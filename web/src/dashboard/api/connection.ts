/** The WebSocket, and whether it stands. It is opened with the first subscription and comes back by itself for as long as the page is open. */
import { type Client, createClient } from "graphql-ws";
import { useSyncExternalStore } from "react";
import { authorization, hasKey, signOut } from "./key";

export type ConnectionState = "connecting" | "connected" | "lost";

/** A server that says nothing for so long after a ping is not there any more. */
const SILENCE_MS = 5_000;
const PING_MS = 10_000;
const LONGEST_WAIT_MS = 10_000;
/** The close code of a server that does not accept the key, or not any more. */
const KEY_IS_VOID = 4403;

let state: ConnectionState = "connecting";
const listeners = new Set<() => void>();
const returns = new Set<() => void>();

function become(next: ConnectionState) {
  if (next !== state) {
    const isReturn = state === "lost" && next === "connected";
    state = next;
    for (const listener of listeners) {
      listener();
    }
    for (const listener of isReturn ? returns : []) {
      listener();
    }
  }
}

export function createSocket(url: string): Client {
  let silence: ReturnType<typeof setTimeout>;
  let current: WebSocket | undefined;
  return createClient({
    url,
    connectionParams: () => authorization(),
    keepAlive: PING_MS,
    retryAttempts: Number.POSITIVE_INFINITY,
    shouldRetry: () => true,
    retryWait: (retries) => backAgain(Math.min(LONGEST_WAIT_MS, 250 * 2 ** retries) * (0.75 + Math.random() / 2)),
    on: {
      connected(socket) {
        current = socket as WebSocket;
        become("connected");
      },
      closed(event) {
        clearTimeout(silence);
        become("lost");
        if ((event as CloseEvent).code === KEY_IS_VOID && hasKey()) {
          signOut();
        }
      },
      ping(received) {
        if (!received) {
          clearTimeout(silence);
          silence = setTimeout(() => current?.close(4408, "no answer to a ping"), SILENCE_MS);
        }
      },
      pong(received) {
        if (received) {
          clearTimeout(silence);
        }
      },
    },
  });
}

/** Waits, but not longer than the network is away. */
function backAgain(milliseconds: number): Promise<void> {
  return new Promise((resolve) => {
    const go = () => {
      clearTimeout(timer);
      removeEventListener("online", go);
      resolve();
    };
    const timer = setTimeout(go, milliseconds);
    addEventListener("online", go);
  });
}

/** Calls `listener` each time that a lost connection is back. */
export function onReturn(listener: () => void): () => void {
  returns.add(listener);
  return () => returns.delete(listener);
}

export function useConnection(): ConnectionState {
  return useSyncExternalStore(
    (listener) => {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    () => state,
  );
}
