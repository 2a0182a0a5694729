/** Numbers and times as people read them. */

const counts = new Intl.NumberFormat("en");
const amounts = new Intl.NumberFormat("en", { minimumFractionDigits: 2, maximumFractionDigits: 2 });
const moments = new Intl.DateTimeFormat("en", { dateStyle: "medium", timeStyle: "short" });
const percents = new Intl.NumberFormat("en", { style: "percent" });

export const formatCount = (count: number) => counts.format(count);

/** Given text, `Intl` works on the exact decimal and not on a float. */
export const formatAmount = (amount: string) => amounts.format(amount as Intl.StringNumericLiteral);

export const formatMoment = (iso: string) => moments.format(new Date(iso));

export const formatFraction = (fraction: number) => percents.format(fraction);

/** `SUCCEEDED` reads `succeeded`. */
export const formatState = (state: string) => state.toLowerCase();
