import { useMutation } from "@apollo/client/react";
import { graphql } from "../../gql";
import { useMessages } from "../../locale";
import { Confirm } from "../../ui/Confirm";
import { ErrorText } from "../../ui/ErrorText";
import { words as common } from "../words";
import { words } from "./words";

const CANCEL_LOAD = graphql(`
  mutation CancelLoad($id: ID!) {
    cancelLoad(input: { id: $id }) { load { ...LoadState } }
  }
`);

/** Stops a load, after one more question. */
export function CancelLoad({ id, number }: { id: string; number: number }) {
  const say = useMessages(words);
  const { cancel } = useMessages(common);
  const [run, { loading, error }] = useMutation(CANCEL_LOAD);
  return (
    <>
      <Confirm
        ask={cancel}
        name={say.cancelOf(number)}
        question={say.cancelQuestion(number)}
        yes={say.cancelYes}
        no={say.cancelNo}
        busy={loading}
        run={() => void run({ variables: { id } }).catch(() => {})}
      />
      {error && (
        <p className="failure" role="alert">
          <strong>{say.notCancelled}</strong> <ErrorText error={error} />
        </p>
      )}
    </>
  );
}
