/** Which part of the map is seen, as the URL keeps it, and how exact borders have to be there. */
import type { Position } from "./filter";

export interface View {
  center: Position;
  /** 0 is the whole earth; each step shows half as much. */
  zoom: number;
}

/** Longitude, latitude and zoom: who gets the link sees the same part of the map. */
export function parseView(text: string | null): View | undefined {
  const [lng, lat, zoom, ...more] = text?.split(",").map(Number) ?? [];
  const isKnown = [lng, lat, zoom].every((number) => number !== undefined && Number.isFinite(number));
  return isKnown && more.length === 0 && Math.abs(lng as number) <= 180 && Math.abs(lat as number) <= 85
    ? { center: [lng as number, lat as number], zoom: Math.min(22, Math.max(0, zoom as number)) }
    : undefined;
}

export const writeView = ({ center: [lng, lat], zoom }: View) =>
  `${lng.toFixed(4)},${lat.toFixed(4)},${zoom.toFixed(2)}`;

/** From which zoom on which tolerance in metres is less than about a pixel. Few steps: each is asked for, and kept by the server. */
const STEPS = [
  [12, 20],
  [10, 60],
  [8, 200],
  [6, 800],
] as const;
const COARSEST = 2_500;

/** The `simplify` of a map at this zoom; before the map has found its place, that of a region. */
export const toleranceAt = (zoom = 8) => STEPS.find(([from]) => zoom >= from)?.[1] ?? COARSEST;
