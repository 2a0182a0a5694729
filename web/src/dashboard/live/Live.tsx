/** What happens while one looks: loads on their way, and numbers that change. */
import { useApolloClient, useSubscription } from "@apollo/client/react";
import { createContext, type ReactNode, use, useCallback, useEffect, useMemo, useRef, useState } from "react";
import { Link } from "wouter";
import { onReturn } from "../api/connection";
import { readFragment } from "../gql";
import type { LoadState, WatchLoadsSubscription } from "../gql/graphql";
import { useFormat, useMessages } from "../locale";
import { minus } from "../locale/decimal";
import { LOAD_PROGRESS, LOAD_STATE, WATCH_LOADS } from "./loads";
import { type Amounts, WATCH_TOTAL } from "./total";
import { words } from "./words";

type Told = WatchLoadsSubscription["loads"];

/** What a load has done to the numbers, or an edit. */
interface Note {
  key: string;
  text: string;
  load?: number;
}

interface Live {
  notes: Note[];
  dismiss(key: string): void;
  /** Grows with each load that was not known before, or that goes on after it had ended: lists of loads ask anew. */
  newLoads: number;
  /** Grows with each load that is told to be in another state. */
  changedStates: number;
}

const LiveContext = createContext<Live>({ notes: [], dismiss: () => {}, newLoads: 0, changedStates: 0 });
export const useLive = () => use(LiveContext);

/** Ends after which the data are not what they were. */
const CHANGES_DATA: LoadState[] = ["SUCCEEDED", "UNDONE"];

/** Notes that are kept on the page; older ones go. */
const MOST_NOTES = 3;

interface LiveProviderProps {
  /** What the total was before the page asked anything: what is told to be else is news to all that it asked. */
  total: Amounts | undefined;
  children: ReactNode;
}

export function LiveProvider({ total, children }: LiveProviderProps) {
  const client = useApolloClient();
  const say = useMessages(words);
  const format = useFormat();
  const [notes, setNotes] = useState<Note[]>([]);
  const [newLoads, setNewLoads] = useState(0);
  const [changedStates, setChangedStates] = useState(0);
  const known = useRef(new Map<string, LoadState>());

  const add = useCallback((note: Note) => {
    setNotes((notes) => [note, ...notes.filter(({ key }) => key !== note.key)].slice(0, MOST_NOTES));
  }, []);
  const dismiss = useCallback((key: string) => setNotes((notes) => notes.filter((note) => note.key !== key)), []);
  const askAnew = useCallback(() => {
    // Who is not there any more has no use for an error; who is shows it.
    client.refetchQueries({ include: "active" }).catch(() => {});
  }, [client]);

  const loadEnded = useCallback(
    (told: Told) => {
      const { number, source, dryRun, entity } = told.load;
      const { rowsInserted, rowsUpdated, rowsRejected } = readFragment(LOAD_PROGRESS, told);
      if (told.state === "FAILED") {
        add({ key: told.load.id, load: number, text: say.failed(number, source, told.error ?? "") });
      } else if (told.state === "SUCCEEDED" && !dryRun) {
        const [inserted, updated, rejected] = [rowsInserted, rowsUpdated, rowsRejected].map(format.count);
        add({
          key: told.load.id,
          load: number,
          text: say.loaded(number, source, `${inserted}`, `${updated}`, `${rejected}`),
        });
      } else if (told.state === "UNDONE") {
        add({ key: told.load.id, load: number, text: say.undone(number, source) });
      }
      // Postal codes change the map, and the total of nothing.
      if (entity === "POSTAL_CODES" && !dryRun && CHANGES_DATA.includes(told.state)) {
        askAnew();
      }
    },
    [add, askAnew, format, say],
  );

  useSubscription(WATCH_LOADS, {
    onData({ data: { data } }) {
      if (!data) {
        return;
      }
      const told = data.loads;
      const { id } = told.load;
      const before = known.current.get(id);
      known.current.set(id, told.state);
      // One that succeeded and is taken back now is on its way again.
      if (!before || (told.state === "REVERTING" && before === "SUCCEEDED")) {
        setNewLoads((count) => count + 1);
      }
      if (told.state !== before) {
        setChangedStates((count) => count + 1);
      }
      client.cache.writeFragment({
        id: client.cache.identify({ __typename: "Load", id }),
        fragment: LOAD_STATE,
        fragmentName: "LoadState",
        data: { __typename: "Load", id, state: told.state, error: told.error ?? null, progress: told } as never,
      });
      loadEnded(told);
    },
  });

  const before = useRef(total);
  useSubscription(WATCH_TOTAL, {
    onData({ data: { data } }) {
      const [last, now] = [before.current, data?.totalChanged];
      if (!now) {
        return;
      }
      before.current = now;
      const [amount, count] = last ? [minus(now.amount, last.amount), now.count - last.count] : ["0", 0];
      if (count !== 0 || Number(amount) !== 0) {
        add({
          key: "total",
          text: say.totalChanged(format.difference(amount), format.countDifference(count)),
        });
        askAnew();
      } else if (!last) {
        askAnew();
      }
    },
  });

  // What could not be asked meanwhile is asked again.
  useEffect(() => onReturn(askAnew), [askAnew]);

  const live = useMemo(() => ({ notes, dismiss, newLoads, changedStates }), [notes, dismiss, newLoads, changedStates]);
  return <LiveContext value={live}>{children}</LiveContext>;
}

export function Notes() {
  const say = useMessages(words);
  const { notes, dismiss } = useLive();
  return (
    <div className="notes" role="status">
      {notes.map(({ key, text, load }) => (
        <div className="note" key={key}>
          <p>{text}</p>
          {load !== undefined && <Link href={`/loads/${load}`}>{say.show}</Link>}
          <button type="button" className="plain" aria-label={say.dismiss} onClick={() => dismiss(key)}>
            ×
          </button>
        </div>
      ))}
    </div>
  );
}
