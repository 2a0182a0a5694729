import { describe, expect, test } from "vitest";
import { minus } from "./decimal";
import { makeFormat } from "./format";

const english = makeFormat("en-US", "EUR");
const spanish = makeFormat("es-ES", "EUR");
/** Spaces that do not break are spaces here. */
const plain = (text: string) => text.replace(/[\u00a0\u202f]/g, " ");

describe("amounts", () => {
  test("are exact beyond what a float holds", () => {
    expect(english.amount("123456789012345678.25")).toBe("€123,456,789,012,345,678.25");
    expect(plain(spanish.amount("1276112517.0410399995"))).toBe("1.276.112.517,04 €");
    expect(minus("123456789012345678.2500000000000001", "123456789012345678.25")).toBe("0.0000000000000001");
  });

  test("have a sign where they are differences", () => {
    expect(english.difference("10.5")).toBe("+€10.50");
    expect(english.difference("-10.5")).toBe("-€10.50");
    expect(english.difference("0")).toBe("€0.00");
  });

  test("are in the currency that is set", () => {
    expect(makeFormat("en-US", "USD").amount("1")).toBe("$1.00");
    expect(makeFormat("en-US", "JPY").amount("1.6")).toBe("¥2");
  });
});

test("a share that is not nothing is not written as nothing", () => {
  expect([0, 0.000_4, 0.000_5, 0.25, -0.000_4].map(english.share)).toEqual([
    "0.0%",
    "<0.1%",
    "0.1%",
    "25.0%",
    ">-0.1%",
  ]);
  expect(plain(spanish.share(0.000_4))).toBe("<0,1 %");
});

test("months are the same in any time zone", () => {
  expect(english.month("2015-01")).toBe("January 2015");
  expect(spanish.month("2015-01")).toBe("enero de 2015");
});

test.each([
  [0.4, "0 sec"],
  [59.6, "1 min 0 sec"],
  [125, "2 min 5 sec"],
  [7_260, "2 hr 1 min"],
])("%d seconds are %s", (seconds, text) => {
  expect(english.duration(seconds)).toBe(text);
});

test.each([
  [0, "0 bytes"],
  [999, "999 bytes"],
  [1_500, "1.5 kB"],
  [433_333, "433.3 kB"],
  [20_000_000_000, "20 GB"],
])("%d bytes are %s", (bytes, text) => {
  expect(english.bytes(bytes)).toBe(text);
});
