import { expect, test } from "vitest";
import { lengthOf, monthsOf, rangeBefore, rangeYearBefore } from "./months";

test.each([
  [
    { from: "2015-04", to: "2015-06" },
    { from: "2015-01", to: "2015-03" },
  ],
  [
    { from: "2015-01", to: "2015-01" },
    { from: "2014-12", to: "2014-12" },
  ],
  [
    { from: "2015-02", to: "2016-12" },
    { from: "2013-03", to: "2015-01" },
  ],
])("before %o come as many months", (range, before) => {
  expect(rangeBefore(range)).toEqual(before);
  expect(lengthOf(before)).toBe(lengthOf(range));
});

test("the same months a year before are twelve months away, however many there are", () => {
  expect(rangeYearBefore({ from: "2016-02", to: "2016-04" })).toEqual({ from: "2015-02", to: "2015-04" });
  expect(rangeYearBefore({ from: "2015-06", to: "2016-12" })).toEqual({ from: "2014-06", to: "2015-12" });
});

test("there are no months before 1900", () => {
  expect(rangeYearBefore({ from: "1900-12", to: "1901-03" })).toBeUndefined();
  expect(rangeBefore({ from: "1900-02", to: "1900-03" })).toBeUndefined();
});

test("a range has all its months", () => {
  expect(monthsOf({ from: "2015-11", to: "2016-02" })).toEqual(["2015-11", "2015-12", "2016-01", "2016-02"]);
});
