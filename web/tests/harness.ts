/**
 * Starts the product for a test file and ends it again.
 *
 * `PAYSTATS_BIN` names the built `paystats` program (default: `target/release/paystats`, else `target/debug/paystats`).
 * Every product has its own data folder and port, starts empty, and is ready when `startPaystats` returns.
 * Its log is in `test-results/`, and a failed start shows the end of it.
 */
import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { createWriteStream, existsSync, mkdirSync, readFileSync } from "node:fs";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { basename, join, resolve } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { type Browser, chromium } from "playwright-core";

// Compiled tests live in web/.tests-build/tests.
const webRoot = resolve(import.meta.dirname, "../..");
const repositoryRoot = resolve(webRoot, "..");
const resultsDir = join(webRoot, "test-results");

for (const signal of ["SIGINT", "SIGTERM"] as const) {
  process.once(signal, () => process.exit(1));
}

/** Engines are unpacked on a first start, so it may take a while. */
const START_MS = 180_000;
const STOP_MS = 30_000;

export interface Paystats {
  /** Without a trailing slash: `http://127.0.0.1:40123`. */
  origin: string;
  graphqlUrl: string;
  webSocketUrl: string;
  /** Puts a file into the data lake. */
  putFile(name: string, content: string | Uint8Array): Promise<void>;
  /** One question by HTTP; fails on any GraphQL error. */
  ask<Data>(query: string, variables?: Record<string, unknown>): Promise<Data>;
  stop(): Promise<void>;
}

interface Start {
  /** Start with the demo data set, which is loaded after the server is ready. */
  demo?: boolean;
  /** What `ask` shows where the server asks who calls. */
  key?: string;
  /** Further variables. */
  env?: Record<string, string>;
}

export async function startPaystats(name: string, { demo = false, key, env = {} }: Start = {}): Promise<Paystats> {
  for (const page of ["index.html", "graphiql.html"]) {
    assert.ok(existsSync(join(webRoot, "dist", page)), `web/dist/${page} is missing: run \`npm run build\` first`);
  }
  const bin = paystatsBin();
  mkdirSync(resultsDir, { recursive: true });
  const dataDir = await mkdtemp(join(tmpdir(), "paystats-web-"));
  const datalake = join(dataDir, "datalake");
  await mkdir(datalake);
  const address = `127.0.0.1:${await freePort()}`;
  const origin = `http://${address}`;
  const logFile = join(resultsDir, `${name}.log`);

  const child = spawn(bin, ["run"], {
    cwd: repositoryRoot,
    env: {
      ...process.env,
      PAYSTATS_DATA_DIR: dataDir,
      PAYSTATS_HTTP_ADDR: address,
      PAYSTATS_DEMO: demo ? "on" : "off",
      ...env,
    },
    stdio: ["ignore", "pipe", "pipe"],
  });
  // A test run that is broken off leaves nothing behind either.
  const endWithUs = () => child.kill("SIGTERM");
  process.once("exit", endWithUs);
  const log = createWriteStream(logFile);
  child.stdout.pipe(log, { end: false });
  child.stderr.pipe(log, { end: false });

  const stop = async () => {
    await end(child);
    process.off("exit", endWithUs);
    log.end();
    await rm(dataDir, { recursive: true, force: true });
  };
  try {
    await ready(child, origin);
  } catch (error) {
    await stop();
    const lastLines = readFileSync(logFile, "utf8").split("\n").slice(-30).join("\n");
    throw new Error(`paystats did not start: ${error}\n${lastLines}`, { cause: error });
  }
  const graphqlUrl = `${origin}/graphql`;
  return {
    origin,
    graphqlUrl,
    webSocketUrl: graphqlUrl.replace("http:", "ws:"),
    putFile: (file, content) => writeFile(join(datalake, file), content),
    ask: (query, variables) => ask(graphqlUrl, key, query, variables),
    stop,
  };
}

/** Debian's Chromium, or the one that `CHROMIUM_PATH` names. */
export function startChromium(): Promise<Browser> {
  const executablePath = process.env.CHROMIUM_PATH ?? "/usr/bin/chromium";
  assert.ok(
    existsSync(executablePath),
    `${executablePath} is missing: \`apt-get install chromium\` or set CHROMIUM_PATH`,
  );
  return chromium.launch({
    executablePath,
    args: [
      "--headless",
      "--no-sandbox",
      // The map is drawn by WebGL, here without a graphics card.
      "--use-angle=swiftshader",
      "--enable-unsafe-swiftshader",
      "--disable-quic",
      "--no-first-run",
      "--disable-background-networking",
      "--disable-component-update",
      "--disable-sync",
    ],
  });
}

export const screenshotPath = (name: string) => join(resultsDir, basename(`${name}.png`));

async function ask<Data>(
  url: string,
  key: string | undefined,
  query: string,
  variables?: Record<string, unknown>,
): Promise<Data> {
  const response = await fetch(url, {
    method: "POST",
    headers: { "content-type": "application/json", ...(key && { authorization: `Bearer ${key}` }) },
    body: JSON.stringify({ query, variables }),
  });
  const { data, errors } = (await response.json()) as { data: Data; errors?: unknown };
  assert.equal(errors, undefined, `${query} failed: ${JSON.stringify(errors)}`);
  return data;
}

export function paystatsBin(): string {
  const built = ["release", "debug"].map((profile) => join(repositoryRoot, "target", profile, "paystats"));
  const bin = process.env.PAYSTATS_BIN ? resolve(process.env.PAYSTATS_BIN) : built.find((path) => existsSync(path));
  assert.ok(
    bin && existsSync(bin),
    `no paystats program at ${bin ?? built.join(" or ")}: build it or set PAYSTATS_BIN`,
  );
  return bin;
}

async function freePort(): Promise<number> {
  const probe = createServer().listen(0, "127.0.0.1");
  await once(probe, "listening");
  const address = probe.address();
  probe.close();
  await once(probe, "close");
  assert.ok(address && typeof address === "object");
  return address.port;
}

/** Asks `/readyz` until it says 200; fails at once when the program ends, and after `START_MS` in any case. */
async function ready(child: ChildProcess, origin: string): Promise<void> {
  let died: string | undefined;
  child.once("error", (error) => {
    died = String(error);
  });
  child.once("exit", (code, signal) => {
    died = `it ended with ${signal ?? `code ${code}`}`;
  });
  const deadline = Date.now() + START_MS;
  while (!died) {
    const isReady = await fetch(`${origin}/readyz`, { signal: AbortSignal.timeout(5_000) }).then(
      (response) => response.status === 200,
      () => false,
    );
    if (isReady) {
      return;
    }
    if (Date.now() > deadline) {
      throw new Error(`/readyz was not 200 within ${START_MS / 1000} s`);
    }
    await delay(50);
  }
  throw new Error(died);
}

/** SIGTERM, and SIGKILL for a program that does not listen; then the test fails, for it should have. */
async function end(child: ChildProcess): Promise<void> {
  if (child.pid === undefined || child.exitCode !== null || child.signalCode !== null) {
    return;
  }
  const ended = once(child, "exit");
  child.kill("SIGTERM");
  const late = AbortSignal.timeout(STOP_MS);
  late.addEventListener("abort", () => child.kill("SIGKILL"));
  await ended;
  assert.ok(!late.aborted, `paystats did not end within ${STOP_MS / 1000} s of SIGTERM`);
}
