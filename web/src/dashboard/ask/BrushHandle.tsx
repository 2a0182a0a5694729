import { useLayoutEffect, useRef } from "react";

interface BrushHandleProps {
  x: number;
  y: number;
  width: number;
  height: number;
  /** Of the left and the right end. */
  names: [string, string];
  /** The months that they stand on, in words. */
  values: [string, string];
}

/** An end of the strip that chooses months. Recharts gives both the same name, and tells pixels as their value. */
export function BrushHandle({ x, y, width, height, names, values }: BrushHandleProps) {
  const handle = useRef<SVGGElement>(null);
  useLayoutEffect(() => {
    const slider = handle.current?.closest('[role="slider"]');
    const both = slider?.parentElement?.querySelectorAll('[role="slider"]');
    const end = slider && slider === both?.[0] ? 0 : 1;
    slider?.setAttribute("aria-label", names[end]);
    slider?.setAttribute("aria-valuetext", values[end]);
  });
  const middle = x + width / 2;
  return (
    <g ref={handle}>
      <rect x={x} y={y} width={width} height={height} fill="var(--control)" />
      {[-1.5, 1.5].map((aside) => (
        <line
          key={aside}
          x1={middle + aside}
          x2={middle + aside}
          y1={y + height / 3}
          y2={y + (height * 2) / 3}
          stroke="var(--surface)"
        />
      ))}
    </g>
  );
}
