import { expect, test } from "vitest";
import { grouped, inRanges } from "./kept";

test("rows that stayed are put together by their reason and the load that replaced them, the most first", () => {
  const rows = [
    { databaseId: 1, reason: "REPLACED_BY_LOAD", load: { number: 7 } },
    { databaseId: 2, reason: "IN_USE", load: null },
    { databaseId: 3, reason: "IN_USE" },
    { databaseId: 4, reason: "REPLACED_BY_LOAD", load: { number: 8 } },
  ] as const;
  expect(grouped([...rows])).toEqual([
    { reason: "IN_USE", load: undefined, ids: [2, 3] },
    { reason: "REPLACED_BY_LOAD", load: 7, ids: [1] },
    { reason: "REPLACED_BY_LOAD", load: 8, ids: [4] },
  ]);
});

test("ids that follow each other are one range", () => {
  expect(inRanges([9, 1, 3, 2, 11, 12])).toBe("1–3, 9, 11–12");
  expect(inRanges([5])).toBe("5");
});
