import { expect, test } from "vitest";
import { asSentence, isNoText, lacksColumns, mayPassNow } from "./mend";

test("a file that lacks columns has to change, one whose store was away has not", () => {
  const missing = "column 'p_month' is missing from the header";
  const away = "source 's3://bucket/a.csv' cannot be read now: its store does not answer";
  expect([lacksColumns(missing), mayPassNow(missing)]).toEqual([true, false]);
  expect([lacksColumns(away), mayPassNow(away)]).toEqual([false, true]);
  expect(mayPassNow("source 'a.csv' was changed while it was read")).toBe(true);
  expect(mayPassNow("the source is not valid gzip")).toBe(false);
});

test("a file that is no text is told apart from one with a fault in it", () => {
  expect(isNoText("line 1 is not UTF-8 text")).toBe(true);
  expect(isNoText("the record on line 3 has a quote that is not closed")).toBe(false);
});

test("a reason ends with one full stop", () => {
  expect(asSentence("line 1 is not UTF-8 text")).toBe("line 1 is not UTF-8 text.");
  const question = "the record on line 2 is longer than 16 MiB: is a quote not closed?";
  expect(asSentence(question)).toBe(question);
});
