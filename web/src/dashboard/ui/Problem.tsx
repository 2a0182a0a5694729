import { useMessages } from "../locale";
import { words } from "../words";
import { ErrorText } from "./ErrorText";

/** What went wrong, in the server's words, and a way on. */
export function Problem({ error, retry }: { error: Error; retry?: () => void }) {
  const say = useMessages(words);
  return (
    <div className="problem" role="alert">
      <p>
        <strong>{say.notAsked}</strong> <ErrorText error={error} />
      </p>
      {retry && (
        <button type="button" onClick={retry}>
          {say.tryAgain}
        </button>
      )}
    </div>
  );
}
