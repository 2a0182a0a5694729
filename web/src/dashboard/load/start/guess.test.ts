import { gzipSync } from "node:zlib";
import { expect, test } from "vitest";
import { guessByContent, guessByName } from "./guess";

test("a name tells what the rows are, or nothing", () => {
  expect(guessByName("2015/paystats.csv.gz")).toBe("PAYSTATS");
  expect(guessByName("paystats/postal_codes.csv")).toBe("POSTAL_CODES");
  expect(guessByName("madrid.geojson")).toBe("POSTAL_CODES");
  expect(guessByName("cp.csv")).toBe("POSTAL_CODES");
  expect(guessByName("data.csv")).toBeUndefined();
  expect(guessByName("paystats-by-postal-code.csv")).toBeUndefined();
});

test("a header tells more than a name", async () => {
  const header = "id,amount,p_month,p_age,p_gender,postal_code_id\r\n";
  expect(await guessByContent(new File([header], "codes.csv"))).toBe("PAYSTATS");
  expect(await guessByContent(new File(['\uFEFF"the_geom","code","id"\n'], "x.csv"))).toBe("POSTAL_CODES");
  expect(await guessByContent(new File([new Uint8Array(gzipSync(header))], "x.csv.gz"))).toBe("PAYSTATS");
  expect(await guessByContent(new File(["not gzip"], "paystats.csv.gz"))).toBe("PAYSTATS");
  expect(await guessByContent(new File(["a,b\n"], "x.csv"))).toBeUndefined();
});
