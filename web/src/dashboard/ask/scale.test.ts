import { describe, expect, test } from "vitest";
import { classColours } from "./scale";

/** Relative luminance of WCAG. */
function luminance(colour: string): number {
  const [red, green, blue] = [1, 3, 5].map((at) => {
    const part = Number.parseInt(colour.slice(at, at + 2), 16) / 255;
    return part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4;
  }) as [number, number, number];
  return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
}

describe.each([true, false])("colours of classes, dark: %s", (dark) => {
  test.each([1, 2, 3, 4, 5, 6, 7, 8])("%i of them differ, and go one way in lightness", (classes) => {
    const colours = classColours(classes, dark);
    expect(new Set(colours).size).toBe(classes);
    const lights = colours.map(luminance);
    expect(lights).toEqual(lights.toSorted((a, b) => (dark ? a - b : b - a)));
  });
});
