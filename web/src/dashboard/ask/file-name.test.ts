import { expect, test } from "vitest";
import { fileName } from "./file-name";
import { EVERYTHING } from "./filter";

test.each([
  [{}, "paystats-map"],
  [{ from: "2015-02", to: "2015-04", genders: ["F"], within: [[0, 0]] }, "paystats-map-2015-02--2015-04-F-area"],
  [{ from: "2015-02", to: "2015-02", ages: ["UNDER_25", "FROM_65"] }, "paystats-map-2015-02-to-24-from-65"],
  [{ from: "2015-02", bbox: [0, 0, 1, 1] }, "paystats-map-from-2015-02-view"],
  [{ to: "2015-02", codes: ["28001", "28 013-A"] }, "paystats-map-to-2015-02-28001-28_013-A"],
  [{ codes: ["1", "2", "3", "4", "5"] }, "paystats-map-5-postal-codes"],
] as const)("the name of a file says what it is narrowed by: %o", (filter, name) => {
  expect(fileName("map", { ...EVERYTHING, ...(filter as object) })).toBe(name);
});
