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

/** A map whose areas know whether what is asked for is asked of them. */
export interface MarkedMap extends Choropleth {
  features: (Choropleth["features"][number] & { properties: Marked })[];
}
export interface Marked extends Properties {
  /** Inside the area and the part of the map that count. */
  inside: boolean;
  counts: boolean;
}

/** All areas: those of `counting` with its totals and classes, the others without a class. */
export function marked(everywhere: Choropleth, counting: Choropleth, codes: string[]): MarkedMap {
  const counted = new Map(counting.features.map((area) => [area.properties.id, area.properties]));
  return {
    ...counting,
    features: everywhere.features.map((area) => {
      const properties = counted.get(area.properties.id);
      const { code } = area.properties;
      return {
        ...area,
        properties: {
          ...(properties ?? { ...area.properties, class: null }),
          inside: properties !== undefined,
          counts: properties !== undefined && (codes.length === 0 || codes.includes(code)),
        },
      };
    }),
  };
}

export const asChoropleth = (answer: GeoJSON) => answer as Choropleth;

type Area = Choropleth["features"][number];

/** Those with paystats; all where none has any. */
export function withPaystats(areas: Area[]): Area[] {
  const found = areas.filter(({ properties }) => properties.count > 0);
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
