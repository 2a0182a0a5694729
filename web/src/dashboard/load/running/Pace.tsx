import { useFormat, useMessages } from "../../locale";
import type { Progress } from "../progress";
import { words } from "./words";

/** The phase in words, and how fast it goes. */
export function Pace({ progress, share, dryRun }: { progress: Progress; share: number; dryRun: boolean }) {
  const say = useMessages(words);
  const format = useFormat();
  const { state, rowsPerSecond, etaSeconds, queuePosition } = progress;
  const loads = state === "LOADING";
  const facts = [
    dryRun && loads ? say.tries : say.phases[state],
    state === "QUEUED" && queuePosition ? say.queuePosition(format.count(queuePosition)) : undefined,
    loads || state === "REVERTING" ? format.percent(Math.floor(share * 1000) / 1000) : undefined,
    loads && rowsPerSecond ? say.speed(format.count(Math.round(rowsPerSecond))) : undefined,
    loads && etaSeconds ? say.left(format.duration(etaSeconds)) : undefined,
  ];
  return <p className="hint facts">{facts.filter(Boolean).join(" · ")}</p>;
}
