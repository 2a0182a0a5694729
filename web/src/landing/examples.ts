/** The example queries: read them, run them here and see the answer, or take them to GraphiQL. */
import { type Example, postalCodes, timeSeries, totals } from "../examples";
import { ask } from "./api";
import { build } from "./dom";

export function showExamples(section: HTMLElement): void {
  section.replaceChildren(...[totals, timeSeries, postalCodes].map(card));
}

export function graphiqlLink({ query, variables }: Example): string {
  const asked = new URLSearchParams({ query });
  if (variables) {
    asked.set("variables", JSON.stringify(variables, null, 2));
  }
  return `/graphiql?${asked}`;
}

function card(example: Example): HTMLElement {
  const run = build("button", { type: "button", class: "button" }, "Run");
  const answer = build("pre", { class: "answer", tabindex: "0", "aria-label": "Answer", "aria-live": "polite" });
  answer.hidden = true;
  run.addEventListener("click", async () => {
    run.disabled = true;
    answer.hidden = false;
    answer.textContent = "…";
    const startedAt = performance.now();
    try {
      const data = await ask(example.query, example.variables);
      const took = Math.round(performance.now() - startedAt);
      answer.textContent = `${JSON.stringify(data, null, 2)}\n\n# answered in ${took} ms`;
      answer.dataset.state = "answered";
    } catch (error) {
      answer.textContent = error instanceof Error ? error.message : String(error);
      answer.dataset.state = "failed";
    }
    run.disabled = false;
  });
  return build(
    "article",
    { class: "example" },
    build("h3", {}, example.title),
    build("pre", { class: "query", tabindex: "0", "aria-label": "Query" }, example.query.trim()),
    build("p", { class: "actions" }, run, build("a", { href: graphiqlLink(example) }, "Open in GraphiQL")),
    answer,
  );
}
