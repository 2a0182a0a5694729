import { useMutation } from "@apollo/client/react";
import { graphql } from "../../gql";
import type { LoadEntity } from "../../gql/graphql";
import { useFormat, useMessages } from "../../locale";
import { Confirm } from "../../ui/Confirm";
import { ErrorText } from "../../ui/ErrorText";
import { words } from "./words";

const UNDO_LOAD = graphql(`
  mutation UndoLoad($id: ID!) {
    undoLoad(input: { id: $id }) { load { ...LoadState } }
  }
`);

interface UndoLoadProps {
  id: string;
  number: number;
  entity: LoadEntity;
  inserted: number;
  updated: number;
}

/** Takes a load back, after saying what that means. */
export function UndoLoad({ id, number, entity, inserted, updated }: UndoLoadProps) {
  const say = useMessages(words);
  const format = useFormat();
  const areCodes = entity === "POSTAL_CODES";
  const [run, { loading, error }] = useMutation(UNDO_LOAD);
  return (
    <>
      <Confirm
        ask={say.undo}
        name={say.undoOf(number)}
        question={[
          say.undoQuestion(number),
          inserted > 0 && say[areCodes ? "undoCodesInserted" : "undoInserted"](format.count(inserted), inserted),
          updated > 0 && say.undoUpdated(format.count(updated), updated),
          areCodes && inserted > 0 && say.undoCodesStay,
          say.undoStay,
          !areCodes && say.undoTotals,
        ]
          .filter(Boolean)
          .join(" ")}
        yes={say.undoYes}
        no={say.undoNo}
        busy={loading}
        run={() => void run({ variables: { id } }).catch(() => {})}
      />
      {error && (
        <p className="failure" role="alert">
          <strong>{say.notDone}</strong> <ErrorText error={error} />
        </p>
      )}
    </>
  );
}
