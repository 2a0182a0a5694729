/** Loads: what can be loaded, what is on its way, and what was. */
export default function LoadsPage() {
  return <h1>Loads</h1>;
}
