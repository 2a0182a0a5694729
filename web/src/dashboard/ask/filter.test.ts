import { describe, expect, test } from "vitest";
import {
  always,
  chosen,
  EVERYTHING,
  everywhere,
  type Filter,
  isEverything,
  parseFilter,
  statsFilter,
  toggled,
  writeFilter,
} from "./filter";

const parse = (text: string) => parseFilter(new URLSearchParams(text));

const FULL: Filter = {
  from: "2015-02",
  to: "2015-11",
  ages: ["UNDER_25", "FROM_65"],
  genders: ["F"],
  codes: ["28001", "28 013-A"],
  bbox: [-3.8, 40.3, -3.6, 40.5],
  within: [
    [-3.7, 40.4],
    [-3.6, 40.4],
    [-3.6, 40.5],
  ],
};

describe("the filter in the URL", () => {
  test("comes back as it was written, beside other parameters", () => {
    const params = writeFilter(FULL, new URLSearchParams("map=1,2,3&from=1999-01"));
    expect(parseFilter(params)).toEqual(FULL);
    expect(params.get("map")).toBe("1,2,3");
  });

  test("reads links with commas between degrees", () => {
    expect(parse("bbox=-3.8,40.3,-3.6,40.5&within=-3.7,40.4,-3.6,40.4,-3.6,40.5")).toMatchObject({
      bbox: FULL.bbox,
      within: FULL.within,
    });
  });

  test("takes nothing where nothing is narrowed", () => {
    expect(writeFilter(EVERYTHING, new URLSearchParams("from=2015-01&codes=1")).toString()).toBe("");
    expect(isEverything(parse(""))).toBe(true);
    expect(isEverything(FULL)).toBe(false);
  });

  test.each([
    "from=2015-13&to=soon",
    "from=2016-01&to=2015-01",
    "ages=OLD,&genders=X",
    "codes=,,%3Cscript%3E,12345678901234567",
    "bbox=1,2,3",
    "bbox=1,2,3,x",
    "bbox=0,5,1,4",
    "bbox=-200,0,1,1",
    "within=1,2,3,4",
    "within=1,2,3,4,5",
    "within=1,2,3,4,500,6",
  ])("leaves out what cannot be understood: %s", (text) => {
    expect(isEverything(parse(text))).toBe(true);
  });

  test("keeps each postal code once, and ages in their order", () => {
    expect(parse("codes=1,2,1&ages=FROM_65,UNDER_25")).toMatchObject({
      codes: ["1", "2"],
      ages: ["UNDER_25", "FROM_65"],
    });
  });
});

test("the filter as the API takes it leaves out what does not narrow, and closes the ring", () => {
  expect(JSON.stringify(statsFilter(EVERYTHING))).toBe("{}");
  expect(statsFilter(FULL)).toMatchObject({
    postalCodes: ["28001", "28 013-A"],
    bbox: { west: -3.8, south: 40.3, east: -3.6, north: 40.5 },
    within: {
      type: "Polygon",
      coordinates: [
        [
          [-3.7, 40.4],
          [-3.6, 40.4],
          [-3.6, 40.5],
          [-3.7, 40.4],
        ],
      ],
    },
  });
});

test("everywhere keeps months and people; always keeps people and places", () => {
  expect(everywhere(FULL)).toMatchObject({
    from: "2015-02",
    genders: ["F"],
    codes: [],
    bbox: undefined,
    within: undefined,
  });
  expect(always(FULL)).toMatchObject({ from: undefined, to: undefined, genders: ["F"], codes: FULL.codes });
});

test("a click shows a postal code alone, a second one all again, and with a key held down it joins the others", () => {
  expect(chosen(["a", "b"], "b", false)).toEqual(["b"]);
  expect(chosen(["b"], "b", false)).toEqual([]);
  expect(chosen(["a"], "b", true)).toEqual(["a", "b"]);
  expect(chosen(["a", "b"], "a", true)).toEqual(["b"]);
});

test("toggling twice changes nothing", () => {
  expect(toggled(toggled(["a", "b"], "c"), "c")).toEqual(["a", "b"]);
});
