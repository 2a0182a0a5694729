/** What happens while one looks: loads on their way, and numbers that change. */
import { useApolloClient, useSubscription } from "@apollo/client/react";
import { createContext, type ReactNode, use, useCallback, useEffect, useMemo, useRef, useState } from "react";
import { onReturn } from "../api/connection";
import { readFragment } from "../gql";
import type { LoadState, WatchLoadsSubscription } from "../gql/graphql";
import { useFormat, useMessages } from "../locale";
import { LOAD_PROGRESS, LOAD_STATE, WATCH_LOADS } from "./loads";
import { type Note, noteOfLoad, noteOfTotals } from "./notes";
import { type Amounts, WATCH_TOTAL } from "./total";
import { words } from "./words";

type Told = WatchLoadsSubscription["loads"];

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

  const add = useCallback((note: Note | undefined) => {
    if (!note) {
      return;
    }
    setNotes((notes) => [note, ...notes.filter(({ key }) => key !== note.key)].slice(0, MOST_NOTES));
  }, []);
  const dismiss = useCallback((key: string) => setNotes((notes) => notes.filter((note) => note.key !== key)), []);
  const askAnew = useCallback(() => {
    // Who is not there any more has no use for an error; who is shows it.
    client.refetchQueries({ include: "active" }).catch(() => {});
  }, [client]);

  const loadEnded = useCallback(
    (told: Told) => {
      const { dryRun, entity } = told.load;
      add(noteOfLoad({ ...told, ...readFragment(LOAD_PROGRESS, told) }, say, format));
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
      const note = last && noteOfTotals(last, now, say, format);
      add(note);
      if (note || !last) {
        askAnew();
      }
    },
  });

  // What could not be asked meanwhile is asked again.
  useEffect(() => onReturn(askAnew), [askAnew]);

  const live = useMemo(() => ({ notes, dismiss, newLoads, changedStates }), [notes, dismiss, newLoads, changedStates]);
  return <LiveContext value={live}>{children}</LiveContext>;
}
