/** Longer than this nobody waits without a word. */
const LONGEST_S = 30;

/** How long a server that is asked too often wants to be left alone; nothing where it does not say, or where that is long. */
export function secondsToWait(status: number, retryAfter: string | null): number | undefined {
  const seconds = status === 429 && /^\d{1,4}$/.test(retryAfter ?? "") ? Number(retryAfter) : undefined;
  return seconds !== undefined && seconds <= LONGEST_S ? seconds : undefined;
}
