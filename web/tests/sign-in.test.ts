/** A server that asks who calls, in Chromium: the page asks for a key, shows it with every request, and asks again once it is taken back. */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { assertAccessible } from "./accessibility.js";
import { openPage } from "./browser.js";
import { paystatsBin, screenshotPath, startChromium, startPaystats } from "./harness.js";

function newKey(name: string, roles: string) {
  const { stdout, stderr } = spawnSync(paystatsBin(), ["api-key", name, "--role", roles], { encoding: "utf8" });
  return { line: stdout, key: stderr.trim().split("\n").at(-1) ?? "" };
}

test("a page of a server that asks who calls", async () => {
  const folder = await mkdtemp(join(tmpdir(), "paystats-keys-"));
  const [loader, other] = [newKey("loader", "loader"), newKey("other", "reader")];
  const keys = join(folder, "api-keys");
  await writeFile(keys, loader.line + other.line);
  const paystats = await startPaystats("sign-in", { env: { PAYSTATS_API_KEYS: keys } });
  const browser = await startChromium();
  try {
    const { page, close } = await openPage(browser, paystats.origin, { locale: "en-US" });
    await page.goto("/loads");
    const field = page.getByLabel("API key or token");
    await field.waitFor();
    await assertAccessible(page);
    await page.screenshot({ path: screenshotPath("sign-in"), fullPage: true });
    await field.fill("paystats_wrong");
    await page.getByRole("button", { name: "Sign in" }).click();
    await page.getByRole("alert").filter({ hasText: "This key is not accepted" }).waitFor();

    await field.fill(loader.key);
    await page.getByRole("button", { name: "Sign in" }).click();
    await page.getByRole("button", { name: "Sign out" }).waitFor();
    await page.screenshot({ path: screenshotPath("signed-in"), fullPage: true });
    assert.equal(new URL(page.url()).pathname, "/loads");

    const name = "rows.csv";
    const buffer = Buffer.from("amount,p_month,p_age,p_gender,postal_code_id,id\nnothing,2015-01-01,<=24,F,1,1\n");
    await page.locator('input[type="file"]').first().setInputFiles({ name, mimeType: "text/csv", buffer });
    await page.getByRole("button", { name: "Start load" }).click();
    const saved = page.getByRole("link", { name: "Download all (CSV)" });
    await saved.waitFor();
    const download = page.waitForEvent("download");
    await saved.click();
    assert.match(await readFile(await (await download).path(), "utf8"), /^line,column,code,value,reason/);

    // The key is taken back while the page is open.
    await writeFile(keys, other.line);
    await field.waitFor();
    assert.match(new URL(page.url()).pathname, /^\/loads\/1$/);
    await close();
  } finally {
    await browser.close();
    await paystats.stop();
    await rm(folder, { recursive: true });
  }
});
