/** Small CSV files as a data lake holds them. */

export const POSTAL_CODES = ["28001", "28002", "28003"];

const AGES = ["<=24", "25-34", "35-44", "45-54", "55-64", ">=65"];
const GENDERS = ["F", "M"];

/** One square a postal code, side by side from Madrid to the east; ids count from `firstId`. */
export function postalCodesCsv(codes: string[] = POSTAL_CODES, firstId = 1, start = -3.7): string {
  const rows = codes.map((code, index) => {
    const west = start + index * 0.01;
    return `${squareEwkb(west, 40.4, 0.01)},${code},${firstId + index}`;
  });
  return `${["the_geom,code,id", ...rows].join("\n")}\n`;
}

/** `count` payments of 10.50, spread over postal codes, months, ages and genders; ids count from `firstId`. */
export function paystatsCsv(count: number, firstId = 1): string {
  const lines = ["amount,p_month,p_age,p_gender,postal_code_id,id"];
  for (let index = 0; index < count; index++) {
    const month = `2015-${String((index % 12) + 1).padStart(2, "0")}-01`;
    const age = AGES[index % AGES.length];
    const gender = GENDERS[index % GENDERS.length];
    lines.push(`10.5,${month},${age},${gender},${(index % POSTAL_CODES.length) + 1},${firstId + index}`);
  }
  return `${lines.join("\n")}\n`;
}

/** A polygon of one ring as PostGIS writes it: little-endian EWKB with SRID 4326, in hex. */
function squareEwkb(west: number, south: number, side: number): string {
  const [east, north] = [west + side, south + side];
  // Counter-clockwise, closed.
  const ring: [number, number][] = [
    [west, south],
    [east, south],
    [east, north],
    [west, north],
    [west, south],
  ];
  const POLYGON_WITH_SRID = 0x20000003;
  const bytes = Buffer.alloc(17 + ring.length * 16);
  bytes.writeUInt8(1, 0);
  bytes.writeUInt32LE(POLYGON_WITH_SRID, 1);
  bytes.writeUInt32LE(4326, 5);
  bytes.writeUInt32LE(1, 9);
  bytes.writeUInt32LE(ring.length, 13);
  for (const [index, [longitude, latitude]] of ring.entries()) {
    bytes.writeDoubleLE(longitude, 17 + index * 16);
    bytes.writeDoubleLE(latitude, 25 + index * 16);
  }
  return bytes.toString("hex").toUpperCase();
}
