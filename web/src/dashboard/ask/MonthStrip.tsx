/**
 * The strip that chooses months: two ends, and what lies between them, which moves both. It stands where `range` says and nowhere else,
 * so it follows links, lists and the browser's Back as well as the hand.
 */
import { type KeyboardEvent, type PointerEvent, useEffect, useRef } from "react";

/** Places of the first and the last month. */
export type Range = [number, number];

interface MonthStripProps {
  /** All months, in words. */
  months: string[];
  range: Range;
  /** Of the ends. */
  names: [string, string];
  /** It is being moved. */
  onMove(range: Range): void;
  /** It was let go there. */
  onDrop(range: Range): void;
  /** The browser has taken the pointer away, to scroll for example. */
  onGiveUp(): void;
}

/** Which ends a pointer has taken, where it was then, and where the ends were. */
interface Grip {
  ends: (0 | 1)[];
  x: number;
  range: Range;
}

/** A key that is pressed again within this time goes on with the same move: Back undoes it as one. */
const REST_MS = 250;

const YEAR = 12;
const STEPS: Record<string, number> = {
  ArrowLeft: -1,
  ArrowDown: -1,
  ArrowRight: 1,
  ArrowUp: 1,
  PageDown: -YEAR,
  PageUp: YEAR,
  Home: Number.NEGATIVE_INFINITY,
  End: Number.POSITIVE_INFINITY,
};

export function MonthStrip({ months, range, names, onMove, onDrop, onGiveUp }: MonthStripProps) {
  const track = useRef<HTMLDivElement>(null);
  const grip = useRef<Grip>(undefined);
  const resting = useRef<ReturnType<typeof setTimeout>>(undefined);
  useEffect(() => () => clearTimeout(resting.current), []);
  const last = months.length - 1;
  const at = (place: number) => `${(place / last) * 100}%`;

  /** Where the ends are after a move: on months that there are, and not past each other. */
  const moved = ([from, to]: Range, ends: Grip["ends"], by: number): Range => {
    const within = (place: number, least: number, most: number) => Math.min(most, Math.max(least, place));
    if (ends.length === 2) {
      const step = within(by, -from, last - to);
      return [from + step, to + step];
    }
    return ends[0] === 0 ? [within(from + by, 0, to), to] : [from, within(to + by, from, last)];
  };
  const underPointer = (event: PointerEvent): Range | undefined => {
    if (!grip.current || !track.current) {
      return undefined;
    }
    const { ends, x, range } = grip.current;
    return moved(range, ends, Math.round(((event.clientX - x) / track.current.clientWidth) * last));
  };
  const pointer = (...ends: Grip["ends"]) => ({
    onPointerDown(event: PointerEvent<HTMLElement>) {
      if (event.button === 0) {
        clearTimeout(resting.current);
        event.currentTarget.setPointerCapture(event.pointerId);
        grip.current = { ends, x: event.clientX, range };
      }
    },
    onPointerMove(event: PointerEvent) {
      const next = underPointer(event);
      if (next) {
        onMove(next);
      }
    },
    onPointerUp(event: PointerEvent) {
      const next = underPointer(event);
      grip.current = undefined;
      if (next) {
        onDrop(next);
      }
    },
    onPointerCancel() {
      grip.current = undefined;
      onGiveUp();
    },
  });
  const keys = (end: 0 | 1) => (event: KeyboardEvent) => {
    const step = STEPS[event.key];
    if (step) {
      event.preventDefault();
      const next = moved(range, [end], step);
      onMove(next);
      clearTimeout(resting.current);
      resting.current = setTimeout(() => onDrop(next), REST_MS);
    }
  };

  return (
    <div className="strip">
      <div className="strip-track" ref={track}>
        <div
          className="strip-between"
          style={{ insetInlineStart: at(range[0]), inlineSize: at(range[1] - range[0]) }}
          {...pointer(0, 1)}
        />
        {([0, 1] as const).map((end) => (
          <div
            key={end}
            className="strip-end"
            role="slider"
            tabIndex={0}
            aria-label={names[end]}
            aria-valuemin={end === 0 ? 0 : range[0]}
            aria-valuemax={end === 0 ? range[1] : last}
            aria-valuenow={range[end]}
            aria-valuetext={months[range[end]]}
            style={{ insetInlineStart: at(range[end]) }}
            {...pointer(end)}
            onKeyDown={keys(end)}
          />
        ))}
      </div>
    </div>
  );
}
