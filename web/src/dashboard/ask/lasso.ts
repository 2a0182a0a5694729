/** An area that was drawn by hand, as a polygon with few corners: it stands in the URL, and links are sent around. */
import type { Position } from "./filter";

export type Point = [x: number, y: number];

/** How far the polygon may be from the line, in pixels; more only where it would have too many corners. */
const TOLERANCE_PX = 3;
const MOST_CORNERS = 13;

export type Lasso = Point[] | "too-small" | "crosses";

/** Corners of the area inside a line whose ends are joined. */
export function cornersOf(line: Point[]): Lasso {
  let tolerance = TOLERANCE_PX;
  let corners = simplified(line, tolerance);
  if (crossesItself(corners)) {
    return "crosses";
  }
  // Leaving out more corners may make a line cross itself that did not.
  while (corners.length > MOST_CORNERS || crossesItself(corners)) {
    tolerance *= 1.3;
    corners = simplified(line, tolerance);
  }
  return corners.length < 3 ? "too-small" : corners;
}

/** Decimals of a degree that tell two pixels apart, at most a metre's; none is lost on the way through the URL. */
export function rounded([lng, lat]: Position, degreesPerPixel: number): Position {
  const decimals = Math.min(5, Math.max(0, Math.ceil(-Math.log10(degreesPerPixel))));
  return [Number(lng.toFixed(decimals)), Number(lat.toFixed(decimals))];
}

/** Douglas and Peucker's: of a closed line the points that are farther than a tolerance from what is between their neighbours. */
function simplified(line: Point[], tolerance: number): Point[] {
  const [start] = line;
  if (!start) {
    return [];
  }
  // A ring has no ends: it is taken apart at its start and at what is farthest from there.
  const far = line.reduce(
    (best, point, index) => (apart(point, start) > apart(line[best] as Point, start) ? index : best),
    0,
  );
  const first = between(line.slice(0, far + 1), tolerance);
  const second = between([...line.slice(far), start], tolerance);
  return [...first.slice(0, -1), ...second.slice(0, -1)];
}

function between(line: Point[], tolerance: number): Point[] {
  const [from, to] = [line[0] as Point, line.at(-1) as Point];
  let [worst, most] = [0, tolerance];
  for (const [index, point] of line.entries()) {
    const distance = fromSegment(point, from, to);
    if (distance > most) {
      [worst, most] = [index, distance];
    }
  }
  return worst === 0
    ? [from, to]
    : [...between(line.slice(0, worst + 1), tolerance).slice(0, -1), ...between(line.slice(worst), tolerance)];
}

const apart = (a: Point, b: Point) => Math.hypot(a[0] - b[0], a[1] - b[1]);

function fromSegment(point: Point, from: Point, to: Point): number {
  const [dx, dy] = [to[0] - from[0], to[1] - from[1]];
  const length = dx * dx + dy * dy;
  const along = length === 0 ? 0 : ((point[0] - from[0]) * dx + (point[1] - from[1]) * dy) / length;
  const place = Math.min(1, Math.max(0, along));
  return apart(point, [from[0] + place * dx, from[1] + place * dy]);
}

/** Whether a ring meets itself anywhere but where neighbours join. */
export function crossesItself(ring: Point[]): boolean {
  const edges = ring.map((point, index): [Point, Point] => [point, ring[(index + 1) % ring.length] as Point]);
  return edges.some((edge, index) =>
    edges.some((other, place) => place > index + 1 && (index > 0 || place < edges.length - 1) && meet(edge, other)),
  );
}

function meet([a, b]: [Point, Point], [c, d]: [Point, Point]): boolean {
  const side = (p: Point, q: Point, r: Point) =>
    Math.sign((q[0] - p[0]) * (r[1] - p[1]) - (q[1] - p[1]) * (r[0] - p[0]));
  const apartInX = Math.max(a[0], b[0]) < Math.min(c[0], d[0]) || Math.max(c[0], d[0]) < Math.min(a[0], b[0]);
  const apartInY = Math.max(a[1], b[1]) < Math.min(c[1], d[1]) || Math.max(c[1], d[1]) < Math.min(a[1], b[1]);
  return !apartInX && !apartInY && side(a, b, c) * side(a, b, d) <= 0 && side(c, d, a) * side(c, d, b) <= 0;
}
