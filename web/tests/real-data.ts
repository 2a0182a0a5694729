/**
 * The files that the pages are tested with, and what is in them, added up without the product: the real sample where `PAYSTATS_REAL_DATA`
 * names its folder, which on CI it has to, else a small made-up one of the same shape.
 */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { paystatsCsv, postalCodesCsv } from "./files.js";

export interface Paystat {
  /** In units of 1e-16. */
  amount: bigint;
  month: string;
  age: string;
  gender: "F" | "M";
  code: string;
}

const DECIMALS = 16;

const folder = process.env.PAYSTATS_REAL_DATA;
assert.ok(folder || !process.env.CI, "PAYSTATS_REAL_DATA is not set");
const read = (name: string) => readFileSync(join(folder as string, name), "utf8");

export const postalCodesFile = folder ? read("postal_codes.csv") : postalCodesCsv();
export const paystatsFile = folder ? read("paystats.csv") : paystatsCsv(1_440);

/** The postal codes of the file, by id. */
export const codes = new Map(records(postalCodesFile).map(({ id, code }) => [id as string, code as string]));

/** The rows whose postal code is in the other file: the product refuses the others. */
export const paystats: Paystat[] = records(paystatsFile).flatMap((record) => {
  const code = codes.get(record.postal_code_id as string);
  return code === undefined
    ? []
    : [
        {
          amount: units(record.amount as string),
          month: (record.p_month as string).slice(0, 7),
          age: record.p_age as string,
          gender: record.p_gender as "F" | "M",
          code,
        },
      ];
});

export const sum = (rows: Paystat[]) => rows.reduce((total, { amount }) => total + amount, 0n);

/** Sums by a key, the greatest first. */
export function sumsBy(rows: Paystat[], key: (row: Paystat) => string): [string, bigint][] {
  const sums = new Map<string, bigint>();
  for (const row of rows) {
    sums.set(key(row), (sums.get(key(row)) ?? 0n) + row.amount);
  }
  return [...sums].sort(([, a], [, b]) => (a < b ? 1 : a > b ? -1 : 0));
}

/** An exact amount as an English page shows it, rounded to the cent, halves away from zero. */
export function inEuros(amount: bigint, sign = ""): string {
  const unit = 10n ** BigInt(DECIMALS - 2);
  const cents = ((amount < 0n ? -amount : amount) + unit / 2n) / unit;
  const whole = (cents / 100n).toString().replace(/\B(?=(\d{3})+$)/g, ",");
  return `${amount < 0n ? "-" : sign}€${whole}.${(cents % 100n).toString().padStart(2, "0")}`;
}

/** `12.5` as units of 1e-16; scientific notation, such as `1.5E+3`, too. */
export function units(decimal: string): bigint {
  const [mantissa = "", exponent = "0"] = decimal.toLowerCase().split("e");
  const [whole = "", fraction = ""] = mantissa.split(".");
  const places = DECIMALS + Number(exponent) - fraction.length;
  assert.ok(places >= 0, `${decimal} has too many decimals`);
  return BigInt(`${whole}${fraction}`) * 10n ** BigInt(places);
}

/** The records of a file without quotes, by the names of its columns. */
function records(file: string): Record<string, string>[] {
  const [header = "", ...lines] = file.split(/\r?\n/).filter(Boolean);
  const names = header.split(",");
  return lines.map((line) => {
    assert.ok(!line.includes('"'), "a quoted field");
    return Object.fromEntries(line.split(",").map((field, index) => [names[index], field]));
  });
}
