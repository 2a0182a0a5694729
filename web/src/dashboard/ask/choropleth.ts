/** The answer of `choropleth`, as the schema describes it. */
import type { FeatureCollection, GeoJSON, Geometry } from "geojson";
import type { BBox } from "./filter";

export interface Properties {
  code: string;
  id: number;
  /** Exact. */
  amount: string;
  count: number;
  share: number | null;
  /** From 0; null without paystats. */
  class: number | null;
  /** Not in the area or the part of the map that is chosen. */
  outside?: boolean;
}

export interface Choropleth extends FeatureCollection<Geometry, Properties> {
  /** The least amount of each class, then the greatest of all. */
  breaks: string[];
}

/** Every area: those of `counting` as they are there, and around them the others, without a class. */
export function withOutside(counting: Choropleth, everywhere: Choropleth): Choropleth {
  const counted = new Map(counting.features.map((area) => [area.properties.id, area]));
  const features = everywhere.features.map(
    (area) =>
      counted.get(area.properties.id) ?? { ...area, properties: { ...area.properties, class: null, outside: true } },
  );
  return { ...counting, features };
}

export const asChoropleth = (answer: GeoJSON) => answer as Choropleth;

type Area = Choropleth["features"][number];

/** Those that count and have paystats; all where none has any. */
export function withPaystats(areas: Area[]): Area[] {
  const found = areas.filter(({ properties }) => properties.count > 0 && !properties.outside);
  return found.length > 0 ? found : areas;
}

/** The box around areas; `undefined` without any. */
export function boxAround(areas: Area[]): BBox | undefined {
  const box: BBox = [180, 90, -180, -90];
  const visit = (coordinates: unknown): void => {
    if (Array.isArray(coordinates) && typeof coordinates[0] === "number") {
      const [x, y] = coordinates as [number, number];
      box[0] = Math.min(box[0], x);
      box[1] = Math.min(box[1], y);
      box[2] = Math.max(box[2], x);
      box[3] = Math.max(box[3], y);
    } else if (Array.isArray(coordinates)) {
      coordinates.forEach(visit);
    }
  };
  for (const { geometry } of areas) {
    visit("coordinates" in geometry ? geometry.coordinates : []);
  }
  return box[0] <= box[2] ? box : undefined;
}
