import { readdirSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { expect, test } from "vitest";

// Sheets stay once they are loaded, so one that is not bound to its page would change the page that one goes to next.
const FRAME = "app.css";
const sheets = readdirSync(import.meta.dirname, { recursive: true, encoding: "utf8" })
  .filter((path) => path.endsWith(".css") && path !== FRAME)
  .sort();

test("there is a sheet for each page", () => {
  expect(sheets).toEqual(["ask/ask.css", "load/load.css"]);
});

test.each(sheets)("%s is bound to its page as a whole", (path) => {
  const rules = topLevel(readFileSync(join(import.meta.dirname, path), "utf8"));
  const pages = rules.filter((rule) => !rule.startsWith("@keyframes "));
  expect(pages).toHaveLength(1);
  expect(pages[0]).toMatch(/^:where\(\.[a-z]+\)$/);
});

test("each page has another root", () => {
  const roots = sheets.map((path) => topLevel(readFileSync(join(import.meta.dirname, path), "utf8"))[0]);
  expect(new Set(roots).size).toBe(sheets.length);
  for (const [index, path] of sheets.entries()) {
    const name = roots[index]?.slice(":where(.".length, -1);
    const pages = readdirSync(join(import.meta.dirname, dirname(path))).filter((file) => file.endsWith(".tsx"));
    const sources = pages.map((file) => readFileSync(join(import.meta.dirname, dirname(path), file), "utf8"));
    expect(sources.some((source) => source.includes(`<div className="${name}">`))).toBe(true);
  }
});

/** What stands before the blocks that stand in no other one. */
function topLevel(css: string): string[] {
  const found: string[] = [];
  let depth = 0;
  let text = "";
  for (const character of css.replaceAll(/\/\*[\s\S]*?\*\//g, "")) {
    if (character === "{" && depth++ === 0) {
      found.push(text.trim());
    } else if (character === "}") {
      depth--;
      text = "";
    } else if (depth === 0) {
      text += character;
    }
  }
  return found;
}
