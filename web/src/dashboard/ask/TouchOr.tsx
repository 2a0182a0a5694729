/** What a mouse and keys can do, or a finger: only what is possible is said. */
export function TouchOr({ touch, mouse }: { touch: string; mouse: string }) {
  return (
    <>
      <span className="for-touch">{touch}</span>
      <span className="for-mouse">{mouse}</span>
    </>
  );
}
