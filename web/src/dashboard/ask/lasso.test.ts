import { expect, test } from "vitest";
import { EVERYTHING, type Position, writeFilter } from "./filter";
import { cornersOf, crossesItself, type Point, rounded } from "./lasso";

const circle = (wobble: number, points = 400) =>
  Array.from({ length: points }, (_, index): Point => {
    const angle = (index / points) * 2 * Math.PI;
    const radius = 200 + wobble * Math.sin(angle * 23);
    return [300 + radius * Math.cos(angle), 300 + radius * Math.sin(angle)];
  });

test.each([0, 5, 25])(
  "an area drawn with a wobble of %d pixels is a simple polygon that takes few characters in the URL",
  (wobble) => {
    const corners = cornersOf(circle(wobble));
    if (typeof corners === "string") {
      throw new Error(corners);
    }
    expect(corners.length).toBeGreaterThan(5);
    expect(crossesItself(corners)).toBe(false);
    // The longest that positions get: far from everywhere, and near enough to see metres.
    const within = corners.map(([x, y]): Position => rounded([-122.4 - x / 99_999, -37.7 - y / 99_999], 0.00001));
    const url = writeFilter({ ...EVERYTHING, within }, new URLSearchParams()).toString();
    expect(url.length).toBeLessThan(300);
  },
);

test("corners that were drawn stay", () => {
  const square: Point[] = [
    [0, 0],
    [50, 1],
    [100, 0],
    [100, 100],
    [50, 100],
    [0, 100],
    [0, 50],
  ];
  expect(cornersOf(square)).toEqual([
    [0, 0],
    [100, 0],
    [100, 100],
    [0, 100],
  ]);
});

test("a line that crosses itself is no area, and neither is a click or a stroke", () => {
  expect(
    cornersOf([
      [0, 0],
      [100, 100],
      [100, 0],
      [0, 100],
    ]),
  ).toBe("crosses");
  expect(cornersOf([[0, 0]])).toBe("too-small");
  expect(
    cornersOf([
      [0, 0],
      [50, 1],
      [100, 0],
    ]),
  ).toBe("too-small");
});

test("positions have as many decimals as pixels need", () => {
  expect(rounded([-3.7037902, 40.4167754], 0.0007)).toEqual([-3.7038, 40.4168]);
  expect(rounded([-3.7037902, 40.4167754], 0.0000001)).toEqual([-3.70379, 40.41678]);
});
