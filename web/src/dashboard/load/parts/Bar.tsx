import { useFormat } from "../../locale";

/** A bar that says how far something is: 0 to 1. */
export function Bar({ name, share, tone }: { name: string; share: number; tone?: "back" | "still" }) {
  const format = useFormat();
  const percent = Math.round(share * 100);
  return (
    <div
      className="progress"
      role="progressbar"
      aria-label={name}
      aria-valuemin={0}
      aria-valuemax={100}
      aria-valuenow={percent}
      aria-valuetext={format.percent(percent / 100)}
      data-tone={tone}
    >
      <div className="progress-fill" style={{ transform: `scaleX(${share})` }} />
    </div>
  );
}
