/** Exact arithmetic with the decimals of the API, which are text. */
import Big from "big.js";

export const minus = (a: string, b: string) => new Big(a).minus(b).toFixed();
export const plus = (a: string, b: string) => new Big(a).plus(b).toFixed();
