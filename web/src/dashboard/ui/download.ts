/** Files that the page makes. */

export function download(name: string, content: Blob) {
  const url = URL.createObjectURL(content);
  const link = document.createElement("a");
  link.href = url;
  link.download = name;
  link.click();
  // The browser has taken it by then.
  setTimeout(() => URL.revokeObjectURL(url), 60_000);
}

export type Cell = string | number | null | undefined;

/** A CSV file (RFC 4180) with a header. */
export function downloadCsv(name: string, header: string[], rows: Cell[][]) {
  download(`${name}.csv`, new Blob([toCsv(header, rows)], { type: "text/csv;charset=utf-8" }));
}

export const toCsv = (header: string[], rows: Cell[][]) =>
  [header, ...rows].map((row) => `${row.map(field).join(",")}\r\n`).join("");

const field = (cell: Cell) => {
  const text = String(cell ?? "");
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
};

export function downloadJson(name: string, value: unknown) {
  download(name, new Blob([JSON.stringify(value)], { type: "application/geo+json" }));
}
