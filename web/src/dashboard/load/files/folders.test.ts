import { expect, test } from "vitest";
import { inFolder, matching, wayTo } from "./folders";

const lake = ["2015/a/x.csv", "2015/paystats.csv", "2016/y.csv", "20.csv"].map((path) => ({
  path,
  sizeBytes: 1,
  modifiedAt: "",
}));

test("a folder has files and folders", () => {
  const root = inFolder(lake, "");
  expect(root.files.map(({ path }) => path)).toEqual(["20.csv"]);
  expect(root.folders).toEqual([
    { path: "2015/", name: "2015", files: 2 },
    { path: "2016/", name: "2016", files: 1 },
  ]);
  expect(inFolder(lake, "2015/").folders).toEqual([{ path: "2015/a/", name: "a", files: 1 }]);
});

test("a text is looked for below the folder", () => {
  expect(matching(lake, "2015/", "X.").map(({ path }) => path)).toEqual(["2015/a/x.csv"]);
  expect(matching(lake, "2015/", "2015")).toEqual([]);
});

test("the way to a folder leads through those above", () => {
  expect(wayTo("2015/a/")).toEqual([
    { name: "2015", path: "2015/" },
    { name: "a", path: "2015/a/" },
  ]);
  expect(wayTo("")).toEqual([]);
});
