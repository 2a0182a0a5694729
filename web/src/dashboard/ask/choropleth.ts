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
}

export interface Choropleth extends FeatureCollection<Geometry, Properties> {
  /** The least amount of each class, then the greatest of all. */
  breaks: string[];
}

export const asChoropleth = (answer: GeoJSON) => answer as Choropleth;

/** The box around all areas; `undefined` without any. */
export function boxAround({ features }: Choropleth): BBox | undefined {
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
  for (const { geometry } of features) {
    visit("coordinates" in geometry ? geometry.coordinates : []);
  }
  return box[0] <= box[2] ? box : undefined;
}
