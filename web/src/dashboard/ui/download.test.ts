import { expect, test } from "vitest";
import { toCsv } from "./download";

test("a CSV file quotes what has to be quoted", () => {
  expect(
    toCsv(
      ["a", "b"],
      [
        ["1,5", 'say "hi"'],
        ["line\nbreak", null],
        [0, undefined],
      ],
    ),
  ).toBe('a,b\r\n"1,5","say ""hi"""\r\n"line\nbreak",\r\n0,\r\n');
});
