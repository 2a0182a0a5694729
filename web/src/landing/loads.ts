/** The table of the last loads: what was loaded, how far it got, what was turned away. */
import { build } from "./dom";
import { formatCount, formatFraction, formatMoment, formatState } from "./format";
import { isRunning, type Load } from "./overview";

const ENTITY = { POSTAL_CODES: "postal codes", PAYSTATS: "paystats" };

export function showLoads(body: HTMLElement, loads: Load[]): void {
  if (loads.length === 0) {
    noteInsteadOfLoads(body, "No load has been started yet.");
  } else {
    body.replaceChildren(...loads.map(row));
  }
}

export function noteInsteadOfLoads(body: HTMLElement, text: string): void {
  body.replaceChildren(build("tr", {}, build("td", { colspan: "6", class: "hint" }, text)));
}

function row(load: Load): HTMLElement {
  const { rowsRead, rowsRejected } = load.progress;
  return build(
    "tr",
    {},
    build("td", { class: "name" }, `#${load.number}`),
    build("td", { class: "source" }, load.source, build("span", { class: "entity" }, entity(load))),
    build("td", { class: "outcome" }, state(load)),
    build("td", { class: "number", "data-unit": "rows" }, formatCount(rowsRead)),
    build(
      "td",
      { class: rowsRejected > 0 ? "number rejected" : "number", "data-unit": "rejected" },
      rowsRejected > 0
        ? build("a", { href: load.rejectionsCsv }, formatCount(rowsRejected))
        : formatCount(rowsRejected),
    ),
    build("td", { class: "moment" }, build("time", { datetime: load.createdAt }, formatMoment(load.createdAt))),
  );
}

function entity({ entity, dryRun }: Load): string {
  return ENTITY[entity] + (dryRun ? ", dry run" : "");
}

function state(load: Load): HTMLElement {
  const { fraction } = load.progress;
  const running = isRunning(load);
  // While a load is taken back, the fraction still tells how far it had come.
  const comes = running && load.state !== "REVERTING" && fraction !== null;
  const text = formatState(load.state) + (comes ? ` ${formatFraction(fraction)}` : "");
  return build("span", { class: "state", "data-state": running ? "RUNNING" : load.state }, text);
}
