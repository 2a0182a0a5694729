import { expect, test } from "vitest";
import { lacksColumns, mayPassNow } from "./mend";

test("a file that lacks columns has to change, one whose store was away has not", () => {
  const missing = "column 'p_month' is missing from the header";
  const away = "source 's3://bucket/a.csv' cannot be read now: its store does not answer";
  expect([lacksColumns(missing), mayPassNow(missing)]).toEqual([true, false]);
  expect([lacksColumns(away), mayPassNow(away)]).toEqual([false, true]);
  expect(mayPassNow("source 'a.csv' was changed while it was read")).toBe(true);
  expect(mayPassNow("the source is not valid gzip")).toBe(false);
});
