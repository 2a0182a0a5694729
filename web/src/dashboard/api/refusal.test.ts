import { CombinedGraphQLErrors, ServerError } from "@apollo/client/errors";
import { expect, test } from "vitest";
import { refusalIn, roleIn } from "./refusal";

const message = "startLoad: this takes the role loader, which you do not have";
const errors = [{ message, extensions: { code: "FORBIDDEN" } }];

test("a refusal has its code in an answer, and in the body of one that failed", () => {
  expect(refusalIn(new CombinedGraphQLErrors({ errors }))).toEqual({ code: "FORBIDDEN", message });
  const of = (bodyText: string) => refusalIn(new ServerError("403", { response: new Response(null), bodyText }));
  expect(of(JSON.stringify({ errors }))).toEqual({ code: "FORBIDDEN", message });
  expect(of("<html>")).toEqual({ code: undefined, message: "403" });
  expect(refusalIn(new Error("Failed to fetch"))).toEqual({ code: undefined, message: "Failed to fetch" });
});

test("it names the role that it takes", () => {
  expect(roleIn(message)).toBe("loader");
  expect(roleIn("the disk is full")).toBeUndefined();
});
