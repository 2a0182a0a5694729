import { expect, test } from "vitest";
import { secondsToWait } from "./seconds-to-wait";

test("a server that is asked too often is left alone for as long as it says, if that is not long", () => {
  expect(secondsToWait(429, "1")).toBe(1);
  expect(secondsToWait(429, "0")).toBe(0);
  expect(secondsToWait(429, "31")).toBeUndefined();
  expect(secondsToWait(429, "Wed, 25 Nov 2026 13:00:00 GMT")).toBeUndefined();
  expect(secondsToWait(429, null)).toBeUndefined();
  expect(secondsToWait(503, "1")).toBeUndefined();
});
