/** The examples that GraphiQL and the README show: a real server answers every one of them without an error. */
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { readFile, writeFile } from "node:fs/promises";
import { join, resolve } from "node:path";
import { after, before, describe, test } from "node:test";
import { promisify } from "node:util";
import { examples, postalCodes, startLoad, timeSeries, totals, watchLoad } from "../src/examples.js";
import { paystatsCsv, postalCodesCsv } from "./files.js";
import { type Paystats, startChromium, startPaystats } from "./harness.js";
import { assertSuccessfulLife, load, type Progress, type StartedLoad, webSocketClient } from "./loads.js";

describe("the examples", () => {
  let paystats: Paystats;

  before(async () => {
    paystats = await startPaystats("examples");
    await load(paystats, "POSTAL_CODES", "postal_codes.csv", postalCodesCsv());
    await load(paystats, "PAYSTATS", "paystats.csv", paystatsCsv(120));
  });
  after(() => paystats?.stop());

  test("all have a name, since GraphiQL calls its tabs by it", () => {
    for (const { query } of examples) {
      assert.match(query, /^(query|mutation|subscription) [A-Z]\w+/m);
    }
  });

  for (const { title, query, variables } of [totals, timeSeries, postalCodes]) {
    test(`"${title}" is answered`, async () => {
      const data = await paystats.ask<Record<string, unknown>>(query, variables);
      assert.ok(Object.values(data).every((value) => value !== null));
    });
  }

  test("a load is started and watched", async () => {
    const started = await paystats.ask<{ startLoad: { load: StartedLoad } }>(startLoad.query, startLoad.variables);
    const client = webSocketClient(paystats);
    const seen: Progress[] = [];
    const variables = { ...watchLoad.variables, id: started.startLoad.load.id };
    for await (const { data } of client.iterate<{ loadProgress: Progress }>({ query: watchLoad.query, variables })) {
      assert.ok(data);
      seen.push(data.loadProgress);
    }
    await client.dispose();
    assertSuccessfulLife(seen);
  });
});

/** The section "Watch" of the README. Its load 1 is there, and has ended. */
describe("the README", () => {
  let paystats: Paystats;
  let blocks: { language: string; code: string }[];

  before(async () => {
    paystats = await startPaystats("readme");
    await load(paystats, "POSTAL_CODES", "postal_codes.csv", postalCodesCsv());
    const readme = await readFile(resolve(import.meta.dirname, "../../../README.md"), "utf8");
    const section = readme.split(/^## /m).find((section) => section.startsWith("Watch\n")) ?? "";
    const fenced = section.replaceAll("http://127.0.0.1:8080", paystats.origin).matchAll(/^```(\w+)\n(.*?)^```$/gms);
    blocks = [...fenced].map(([, language = "", code = ""]) => ({ language, code }));
  });
  after(() => paystats?.stop());

  /** The only example that has these words. */
  function example(language: string, words: string): string {
    const found = blocks.filter((block) => block.language === language && block.code.includes(words));
    assert.equal(found.length, 1, words);
    return found[0]?.code ?? "";
  }

  test("has no other examples than those that are run", () => {
    assert.deepEqual(
      blocks.map(({ language }) => language),
      ["sh", "js", "js", "js"],
    );
  });

  test("curl", async () => {
    const [url, options] = curl(example("sh", "curl"));
    const told = await (await fetch(url, options)).text();
    assert.match(told, /^event: next\nid: \d+\ndata: .*"state":"SUCCEEDED","rowsRead":3,"fraction":1\.0.*\n\n/m);
    assert.ok(told.endsWith("event: complete\ndata:\n\n"), told);
  });

  test("EventSource", async () => {
    const browser = await startChromium();
    try {
      const page = await browser.newPage();
      await page.goto(`${paystats.origin}/`);
      const told = page.waitForEvent("console", (message) => message.text() === "SUCCEEDED");
      const closed = 'new Promise((closed) => events.addEventListener("complete", () => closed(events.readyState)))';
      const state = await page.evaluate(`${example("js", "EventSource")}\n${closed}`);
      assert.equal(state, 2, "it does not connect again");
      await told;
    } finally {
      await browser.close();
    }
  });

  for (const [name, words] of [
    ["Apollo Client", "@apollo/client"],
    ["urql", "urql"],
  ] as const) {
    test(name, async () => {
      // Beside the compiled tests, where it finds the packages.
      const file = join(import.meta.dirname, `readme-${name.replace(" ", "-")}.mjs`);
      await writeFile(file, example("js", words));
      const { stdout, stderr } = await promisify(execFile)(process.execPath, [file]);
      assert.match(stdout, /state: 'SUCCEEDED',\s+rowsRead: 3,\s+fraction: 1\s/);
      assert.equal(stderr, "");
    });
  }
});

/** The request of a command line; there may be no curl on this machine. */
function curl(command: string): [string, RequestInit] {
  const words = [...command.replaceAll("\\\n", " ").matchAll(/'([^']*)'|(\S+)/g)].map(
    ([, quoted, bare]) => quoted ?? bare ?? "",
  );
  const after = (option: string) => words.filter((_, index) => words[index - 1] === option);
  const url = words.find((word) => word.startsWith("http:"));
  const headers = after("-H").map((header) => header.split(": ") as [string, string]);
  const [body] = after("-d");
  assert.ok(url && body && words[0] === "curl");
  return [url, { method: "POST", headers, body }];
}
