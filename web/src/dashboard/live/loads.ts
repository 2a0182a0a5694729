/** What the subscription `loads` tells, written to where every part of the page that shows a load reads it. */
import { graphql } from "../gql";

/** How far a load is: what is told live, and what is asked for with a load. */
export const LOAD_PROGRESS = graphql(`
  fragment LoadProgress on LoadProgress {
    seq
    state
    error
    rowsRead
    rowsInserted
    rowsUpdated
    rowsUnchanged
    rowsRejected
    rowsReverted
    rowsKept
    rowsTotal
    bytesRead
    bytesTotal
    fraction
    rowsPerSecond
    etaSeconds
    queuePosition
  }
`);

/** The part of a load that its progress changes. */
export const LOAD_STATE = graphql(`
  fragment LoadState on Load {
    id
    state
    error
    progress { ...LoadProgress }
  }
`);

export const WATCH_LOADS = graphql(`
  subscription WatchLoads($afterSeq: Int) {
    loads(afterSeq: $afterSeq) {
      ...LoadProgress
      seq
      missed
      state
      error
      load { id number entity source dryRun }
    }
  }
`);
