import type { Position } from "geojson";
import { expect, test } from "vitest";
import { boxAround, type Choropleth, marked, withPaystats } from "./choropleth";

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

test("areas that count have the totals that are asked for, and those around them no class", () => {
  const [here, there] = [area(3, [[0, 0]]), area(5, [[1, 1]])];
  there.properties = { ...there.properties, code: "28002", id: 2 };
  const counting = { ...here, properties: { ...here.properties, share: 0.5, class: 4 } };
  const collection = (...features: Choropleth["features"]): Choropleth => ({
    type: "FeatureCollection",
    breaks: [],
    features,
  });
  const map = (codes: string[]) =>
    marked(collection(here, there), collection(counting), codes).features.map(({ properties }) => properties);
  expect(map([])).toMatchObject([
    { share: 0.5, class: 4, inside: true, counts: true },
    { class: null, inside: false, counts: false },
  ]);
  expect(map(["28009"])).toMatchObject([
    { inside: true, counts: false },
    { inside: false, counts: false },
  ]);
});
