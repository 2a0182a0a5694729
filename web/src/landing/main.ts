/**
 * The start page: what is in the store, how the last loads went, and queries to begin with. It asks again by itself,
 * quickly while a load runs and slowly otherwise, and rests while nobody looks at it.
 */
import { startLoad } from "../examples";
import { find } from "./dom";
import { graphiqlLink, showExamples } from "./examples";
import { formatAmount, formatCount } from "./format";
import { noteInsteadOfLoads, showLoads } from "./loads";
import { askOverview, isEmpty, isRunning, type Overview } from "./overview";

const BUSY_MS = 1_000;
const IDLE_MS = 15_000;
const RETRY_MS = 5_000;
let timer: number | undefined;

async function refresh(): Promise<void> {
  window.clearTimeout(timer);
  let nextMs = IDLE_MS;
  try {
    const overview = await askOverview();
    show(overview);
    find("problem").hidden = true;
    nextMs = overview.loads.nodes.some(isRunning) ? BUSY_MS : IDLE_MS;
  } catch (error) {
    showProblem(error);
    nextMs = RETRY_MS;
  }
  await showReadiness();
  window.clearTimeout(timer);
  timer = document.hidden ? undefined : window.setTimeout(refresh, nextMs);
}

function show(overview: Overview): void {
  find("amount").textContent = formatAmount(overview.total.amount);
  find("count").textContent = formatCount(overview.total.count);
  find("postal-codes").textContent = formatCount(overview.postalCodes.totalCount);
  find("empty").hidden = !isEmpty(overview);
  showLoads(find("loads"), overview.loads.nodes);
  find("figures").ariaBusy = "false";
  find("loads").ariaBusy = "false";
}

/** What was shown before stays: old numbers are better than none, and the alert says what they are. */
function showProblem(error: unknown): void {
  find("problem-text").textContent = error instanceof Error ? error.message : String(error);
  find("problem").hidden = false;
  if (find("figures").ariaBusy === "true") {
    find("figures").ariaBusy = "false";
    find("loads").ariaBusy = "false";
    noteInsteadOfLoads(find("loads"), "Not known.");
  }
}

async function showReadiness(): Promise<void> {
  const ready = await fetch("/readyz").then(
    (response) => response.ok,
    () => false,
  );
  find("readiness").dataset.state = ready ? "ready" : "not-ready";
  find("readiness-text").textContent = ready ? "Ready" : "Not ready";
}

find("endpoint").textContent = new URL("/graphql", location.href).href;
find<HTMLAnchorElement>("empty-link").href = graphiqlLink(startLoad);
find("retry").addEventListener("click", refresh);
document.addEventListener("visibilitychange", () => !document.hidden && refresh());
showExamples(find("examples"));
void refresh();
