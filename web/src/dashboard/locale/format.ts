/** Numbers, money and time as a language and region write them. */

/** The least share that is written as a number. */
const LEAST_SHARE = 0.001;

type Exact = Intl.StringNumericLiteral;

export interface Format {
  /** Money, exact to the cent: the decimal is never a float on its way. */
  amount(decimal: string): string;
  /** The same with a sign in front. */
  difference(decimal: string): string;
  /** Money in few characters, such as `1.3B €`. */
  shortAmount(amount: number): string;
  count(count: number): string;
  /** The same with a sign in front. */
  countDifference(count: number): string;
  /** `0.1` as `10%`. */
  percent(ratio: number): string;
  /** A share, which stands below others: always with one digit after the point. One that is not nothing is not `0.0%`, but `<0.1%`. */
  share(ratio: number): string;
  /** As `percent`, with a sign in front. */
  change(ratio: number): string;
  /** `2015-01` as `January 2015`. */
  month(month: string): string;
  /** The same in few characters, such as `Jan 2015`. */
  shortMonth(month: string): string;
  bytes(bytes: number): string;
  /** Seconds as `2 min 5 s`, rounded to what matters. */
  duration(seconds: number): string;
  dateTime(iso: string): string;
  /** `a, b, and c`. */
  list(items: string[]): string;
  /** `a, b, or c`. */
  anyOf(items: string[]): string;
}

export function makeFormat(locale: string, currency: string): Format {
  const money = { style: "currency", currency } as const;
  const amount = new Intl.NumberFormat(locale, money);
  const difference = new Intl.NumberFormat(locale, { ...money, signDisplay: "exceptZero" });
  const shortAmount = new Intl.NumberFormat(locale, { ...money, notation: "compact", maximumSignificantDigits: 3 });
  const count = new Intl.NumberFormat(locale);
  const countDifference = new Intl.NumberFormat(locale, { signDisplay: "always" });
  const percent = new Intl.NumberFormat(locale, { style: "percent", maximumFractionDigits: 1 });
  const share = new Intl.NumberFormat(locale, { style: "percent", minimumFractionDigits: 1, maximumFractionDigits: 1 });
  const change = new Intl.NumberFormat(locale, {
    style: "percent",
    maximumFractionDigits: 1,
    signDisplay: "exceptZero",
  });
  const inUtc = { timeZone: "UTC" } as const;
  const month = new Intl.DateTimeFormat(locale, { month: "long", year: "numeric", ...inUtc });
  const shortMonth = new Intl.DateTimeFormat(locale, { month: "short", year: "numeric", ...inUtc });
  const dateTime = new Intl.DateTimeFormat(locale, { dateStyle: "medium", timeStyle: "medium" });
  const list = new Intl.ListFormat(locale, { type: "conjunction" });
  const anyOf = new Intl.ListFormat(locale, { type: "disjunction" });
  const unit = (unit: string, maximumFractionDigits: number, unitDisplay: "short" | "long" = "short") =>
    new Intl.NumberFormat(locale, { style: "unit", unit, unitDisplay, maximumFractionDigits });
  // In English, the short form of bytes has no plural.
  const sizes = [
    unit("byte", 0, "long"),
    ...["kilobyte", "megabyte", "gigabyte", "terabyte"].map((name) => unit(name, 1)),
  ];
  const [second, minute, hour] = ["second", "minute", "hour"].map((name) => unit(name, 0)) as [
    Intl.NumberFormat,
    Intl.NumberFormat,
    Intl.NumberFormat,
  ];
  return {
    amount: (decimal) => amount.format(decimal as Exact),
    difference: (decimal) => difference.format(decimal as Exact),
    shortAmount: (value) => shortAmount.format(value),
    count: (value) => count.format(value),
    countDifference: (value) => countDifference.format(value),
    percent: (ratio) => percent.format(ratio),
    share: (ratio) =>
      ratio === 0 || Math.abs(ratio) >= LEAST_SHARE / 2
        ? share.format(ratio)
        : `${ratio < 0 ? ">" : "<"}${share.format(Math.sign(ratio) * LEAST_SHARE)}`,
    change: (ratio) => change.format(ratio),
    month: (text) => month.format(new Date(`${text}-01`)),
    shortMonth: (text) => shortMonth.format(new Date(`${text}-01`)),
    bytes(bytes) {
      const size = Math.min(sizes.length - 1, Math.floor(Math.log10(Math.max(bytes, 1)) / 3));
      return sizes[size]?.format(bytes / 1000 ** size) ?? "";
    },
    duration(seconds) {
      const whole = Math.round(seconds);
      if (whole < 60) {
        return second.format(whole);
      }
      return whole < 3_600
        ? `${minute.format(Math.floor(whole / 60))} ${second.format(whole % 60)}`
        : `${hour.format(Math.floor(whole / 3_600))} ${minute.format(Math.floor((whole % 3_600) / 60))}`;
    },
    dateTime: (iso) => dateTime.format(new Date(iso)),
    list: (items) => list.format(items),
    anyOf: (items) => anyOf.format(items),
  };
}
