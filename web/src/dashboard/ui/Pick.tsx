import type { ReactNode } from "react";

/** A list to choose from; on a phone only a sign for what is chosen is seen of it. */
export function Pick({ sign, children }: { sign: string; children: ReactNode }) {
  return (
    <span className="pick">
      <span className="sign" aria-hidden="true">
        {sign}
      </span>
      {children}
    </span>
  );
}
