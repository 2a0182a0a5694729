/** API keys, made as an operator makes them, in a file that the server reads again when it changes. */
import { spawnSync } from "node:child_process";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { paystatsBin } from "./harness.js";

export interface Key {
  /** What stands in the file. */
  line: string;
  /** What its owner shows. */
  key: string;
}

export function newKey(name: string, roles: string): Key {
  const { stdout, stderr } = spawnSync(paystatsBin(), ["api-key", name, "--role", roles], { encoding: "utf8" });
  return { line: stdout, key: stderr.trim().split("\n").at(-1) ?? "" };
}

export async function keyFile() {
  const folder = await mkdtemp(join(tmpdir(), "paystats-keys-"));
  const path = join(folder, "api-keys");
  return {
    path,
    holds: (...keys: Key[]) => writeFile(path, keys.map(({ line }) => line).join("")),
    remove: () => rm(folder, { recursive: true, force: true }),
  };
}
