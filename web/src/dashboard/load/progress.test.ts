import { describe, expect, test } from "vitest";
import { guessedShare, type Progress, refusal, shareDone } from "./progress";

const loading = {
  state: "LOADING",
  fraction: 0.5,
  rowsRead: 500,
  rowsPerSecond: 100,
  rowsInserted: 300,
  rowsUpdated: 100,
  rowsReverted: 0,
  rowsKept: 0,
} as Progress;

describe("the bar of a load", () => {
  test("moves on at the speed so far", () => expect(guessedShare(loading, 1)).toBeCloseTo(0.6));
  test("never goes back", () => expect(guessedShare(loading, -1)).toBe(0.5));
  test("waits for a load that says nothing for long", () => {
    const slow = { ...loading, rowsPerSecond: 10 };
    expect(guessedShare(slow, 3_600)).toBe(guessedShare(slow, 5));
  });
  test("never passes the end", () => expect(guessedShare({ ...loading, rowsPerSecond: 1e6 }, 5)).toBe(1));
  test("stands still while nothing is read", () => {
    expect(guessedShare({ ...loading, state: "QUEUED", fraction: 0 }, 5)).toBe(0);
    expect(guessedShare({ ...loading, rowsRead: 0, fraction: 0 }, 5)).toBe(0);
  });
  test("shows what is undone of what was written", () => {
    expect(shareDone({ ...loading, state: "REVERTING", rowsReverted: 99, rowsKept: 1 })).toBe(0.25);
    expect(shareDone({ ...loading, state: "REVERTING", rowsInserted: 0, rowsUpdated: 0 })).toBe(0);
  });
});

test("more than half of the rows is most of them", () => {
  expect(refusal({ rowsRead: 100, rowsRejected: 0 })).toBeUndefined();
  expect(refusal({ rowsRead: 100, rowsRejected: 50 })).toBe("some");
  expect(refusal({ rowsRead: 100, rowsRejected: 51 })).toBe("most");
  expect(refusal({ rowsRead: 100, rowsRejected: 100 })).toBe("all");
});
