import { describe, expect, test } from "vitest";
import { makeFormat } from "../locale/format";
import { type Ended, noteOfLoad, noteOfTotals } from "./notes";
import { words } from "./words";

const format = makeFormat("en-US", "EUR");
const succeeded: Ended = {
  load: { id: "Load:4", number: 4, source: "a.csv", dryRun: false },
  state: "SUCCEEDED",
  rowsRead: 3_000,
  rowsInserted: 2_990,
  rowsUpdated: 0,
  rowsRejected: 0,
};
const noteOf = (changes: Partial<Ended>) => noteOfLoad({ ...succeeded, ...changes }, words.en, format);

describe("the note of a load", () => {
  test("says what has changed, and nothing else", () => expect(noteOf({})?.facts).toEqual(["2,990 new"]));
  test("says that rows were refused", () => {
    expect(noteOf({ rowsRejected: 10 })).toMatchObject({ facts: ["2,990 new", "10 rejected"], tone: "warning" });
  });
  test("is no success where all rows were refused", () => {
    expect(noteOf({ rowsRead: 10, rowsInserted: 0, rowsRejected: 10 })).toMatchObject({
      text: "Load #4 of a.csv has loaded no row.",
      facts: ["10 rejected"],
      tone: "failure",
    });
  });
  test("says that nothing has changed", () =>
    expect(noteOf({ rowsInserted: 0 })?.facts).toEqual(["No row has changed"]));
  test("is a failure if the load has failed", () => {
    expect(noteOf({ state: "FAILED", error: "it is empty" })).toMatchObject({
      text: "Load #4 of a.csv has failed: it is empty",
      tone: "failure",
    });
  });
  test("is none while it goes on, or after a dry run", () => {
    expect(noteOf({ state: "LOADING" })).toBeUndefined();
    expect(noteOf({ load: { ...succeeded.load, dryRun: true } })).toBeUndefined();
  });
});

describe("the note of the totals", () => {
  const before = { amount: "100.50", count: 7 };
  const factsOf = (amount: string, count: number) => noteOfTotals(before, { amount, count }, words.en, format)?.facts;
  test("says by how much they changed", () => expect(factsOf("90.50", 9)).toEqual(["-€10.00", "+2 paystats"]));
  test("leaves out what is as it was", () => expect(factsOf("100.75", 7)).toEqual(["+€0.25"]));
  test("is none where nothing has changed", () => expect(factsOf("100.5", 7)).toBeUndefined());
});
