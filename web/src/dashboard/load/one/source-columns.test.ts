import { expect, test } from "vitest";
import { sourceColumns } from "./source-columns";

test("the header of refused rows names the columns of the source", () => {
  expect(sourceColumns("line,column,code,value,reason,the_geom,source.code,id,surplus\n3,")).toEqual([
    "the_geom",
    "code",
    "id",
  ]);
  expect(sourceColumns('line,column,code,value,reason,"a,""b""",c\r\n')).toEqual(['a,"b"', "c"]);
  expect(sourceColumns("<!doctype html>\n")).toBeUndefined();
});
