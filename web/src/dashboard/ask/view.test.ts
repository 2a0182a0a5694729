import { expect, test } from "vitest";
import { parseView, toleranceAt, writeView } from "./view";

test("a view comes back as it was written", () => {
  const view = { center: [-3.7038, 40.4168] as [number, number], zoom: 10.25 };
  expect(parseView(writeView(view))).toEqual(view);
});

test.each([null, "", "1,2", "1,2,x", "1,2,3,4", "181,0,3", "0,86,3"])("%s is no view", (text) => {
  expect(parseView(text)).toBeUndefined();
});

test("the closer one looks, the more exact are borders", () => {
  const tolerances = [2, 6, 8, 10, 12, 20].map((zoom) => toleranceAt(zoom));
  expect(tolerances).toEqual([2500, 800, 200, 60, 20, 20]);
  // A pixel at 40 degrees of latitude is more than that.
  for (const zoom of [6, 8, 10, 12]) {
    expect(toleranceAt(zoom)).toBeLessThan((156_543 * Math.cos((40 * Math.PI) / 180)) / 2 ** zoom);
  }
});
