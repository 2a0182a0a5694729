/** What can be done with a load in its state. */
import { useMutation } from "@apollo/client/react";
import { useRef } from "react";
import { useLocation } from "wouter";
import { type FragmentType, graphql, readFragment } from "../../gql";
import { useMessages } from "../../locale";
import { ErrorText } from "../../ui/ErrorText";
import { progressOf } from "../progress";
import { CancelLoad } from "../running/CancelLoad";
import { canBeCancelled } from "../states";
import { uuid } from "../uuid";
import { mayPassNow } from "./mend";
import { UndoLoad } from "./UndoLoad";
import { words } from "./words";

export const LOAD_ACTIONS = graphql(`
  fragment LoadActions on Load {
    id
    number
    source
    entity
    dryRun
    onReject
    maxRejected
    maxRejectedRatio
    undoUntil
    ...LoadState
  }
`);

const RETRY_LOAD = graphql(`
  mutation RetryLoad($input: RetryLoadInput!) {
    retryLoad(input: $input) { load { id number } }
  }
`);

const LOAD_FOR_REAL = graphql(`
  mutation LoadForReal($input: StartLoadInput!) {
    startLoad(input: $input) { load { id number } }
  }
`);

export function LoadActions({ load: masked }: { load: FragmentType<typeof LOAD_ACTIONS> }) {
  const load = readFragment(LOAD_ACTIONS, masked);
  const { state, error: failure, rowsRejected, rowsInserted, rowsUpdated } = progressOf(load);
  const say = useMessages(words);
  const [, navigate] = useLocation();
  const [retry, retried] = useMutation(RETRY_LOAD);
  const [start, started] = useMutation(LOAD_FOR_REAL);
  // Pressed twice, it is one load; after it has ended otherwise, one comes back and may press again.
  const keys = useRef({ retry: uuid(), rejected: uuid(), real: uuid() }).current;
  const goTo = ({ number }: { number: number }) => navigate(`/loads/${number}`);

  const { id, source, entity, onReject, maxRejected, maxRejectedRatio } = load;
  const again = (onlyRejected: boolean) =>
    void retry({
      variables: { input: { id, onlyRejected, idempotencyKey: onlyRejected ? keys.rejected : keys.retry } },
      onCompleted: ({ retryLoad }) => goTo(retryLoad.load),
    }).catch(() => {});
  const forReal = () =>
    void start({
      variables: { input: { source, entity, onReject, maxRejected, maxRejectedRatio, idempotencyKey: keys.real } },
      onCompleted: ({ startLoad }) => goTo(startLoad.load),
    }).catch(() => {});

  const succeeded = state === "SUCCEEDED";
  const canUndo = succeeded && !load.dryRun && Date.parse(load.undoUntil) > Date.now();
  const error = retried.error ?? started.error;
  return (
    <div className="actions load-actions" data-state={state}>
      {canBeCancelled(state) && <CancelLoad id={id} number={load.number} />}
      {succeeded && load.dryRun && (
        <button type="button" className="primary" onClick={forReal}>
          {say.forReal}
        </button>
      )}
      {(state === "FAILED" || state === "CANCELLED" || state === "UNDONE") && (
        // A file that has to change first is not loaded again with a press of the main button.
        <button
          type="button"
          className={failure && !mayPassNow(failure) ? undefined : "primary"}
          onClick={() => again(false)}
        >
          {say.retry}
        </button>
      )}
      {succeeded && !load.dryRun && rowsRejected > 0 && (
        <button type="button" title={say.retryRejectedHint} onClick={() => again(true)}>
          {say.retryRejected}
        </button>
      )}
      {canUndo && <UndoLoad {...{ id, entity }} number={load.number} inserted={rowsInserted} updated={rowsUpdated} />}
      {error && (
        <p className="failure" role="alert">
          <strong>{say.notDone}</strong> <ErrorText error={error} />
        </p>
      )}
    </div>
  );
}
