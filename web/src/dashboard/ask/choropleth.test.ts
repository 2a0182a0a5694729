import type { Position } from "geojson";
import { expect, test } from "vitest";
import { boxAround, type Choropleth, withPaystats } from "./choropleth";

const area = (count: number, ...rings: Position[][]): Choropleth["features"][number] => ({
  type: "Feature",
  properties: { code: "28001", id: 1, amount: "1", count, share: 1, class: 0 },
  geometry: { type: "MultiPolygon", coordinates: rings.map((ring) => [ring]) },
});

test("the box holds all parts of all areas", () => {
  expect(
    boxAround([
      area(
        1,
        [
          [0, 1],
          [2, 3],
        ],
        [
          [-5, 2],
          [1, 9],
        ],
      ),
      area(0, [[4, 4]]),
    ]),
  ).toEqual([-5, 1, 4, 9]);
  expect(boxAround([])).toBeUndefined();
});

test("areas with paystats come first, and all where there are none", () => {
  const [some, none] = [area(3, [[0, 0]]), area(0, [[1, 1]])];
  expect(withPaystats([some, none])).toEqual([some]);
  expect(withPaystats([none])).toEqual([none]);
});
