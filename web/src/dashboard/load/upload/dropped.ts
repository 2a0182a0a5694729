/** Files that were dropped on any page: the page of loads takes them, at once or when it is opened for them. */

export interface Dropped {
  files: File[];
  folders: File[];
}

type Taker = (dropped: Dropped) => void;

let taker: Taker | undefined;
let waiting: Dropped | undefined;

export function giveDropped(dropped: Dropped) {
  if (taker) {
    taker(dropped);
  } else {
    waiting = dropped;
  }
}

/** Takes what is dropped from now on, and what waits. Ends with what it returns. */
export function takeDropped(take: Taker): () => void {
  taker = take;
  if (waiting) {
    take(waiting);
    waiting = undefined;
  }
  return () => {
    taker = undefined;
  };
}
