/** Statistics. */
export function AskPage() {
  return <h1>Statistics</h1>;
}
