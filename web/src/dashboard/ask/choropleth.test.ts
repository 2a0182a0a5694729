import type { Position } from "geojson";
import { expect, test } from "vitest";
import { boxAround, type Choropleth, withOutside, withPaystats } from "./choropleth";

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

test("areas that count are as they were asked for, and those around them have no class", () => {
  const [here, there] = [area(3, [[0, 0]]), area(5, [[1, 1]])];
  there.properties = { ...there.properties, code: "28002", id: 2 };
  const counting = { ...here, properties: { ...here.properties, share: 0.5, class: 4 } };
  const collection = (...features: Choropleth["features"]): Choropleth => ({
    type: "FeatureCollection",
    breaks: [],
    features,
  });
  const { features } = withOutside(collection(counting), collection(here, there));
  expect(features).toEqual([counting, { ...there, properties: { ...there.properties, class: null, outside: true } }]);
});
