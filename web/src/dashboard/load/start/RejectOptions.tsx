import type { OnReject } from "../../gql/graphql";
import { useMessages } from "../../locale";
import { words } from "./words";

interface RejectOptionsProps {
  onReject: OnReject;
  setOnReject(value: OnReject): void;
  maxRejected: string;
  setMaxRejected(value: string): void;
  maxPercent: string;
  setMaxPercent(value: string): void;
}

/** What a rejected row means for the load; folded away, for most leave it as it is. */
export function RejectOptions(props: RejectOptionsProps) {
  const say = useMessages(words);
  const { onReject, setOnReject, maxRejected, setMaxRejected, maxPercent, setMaxPercent } = props;
  return (
    <details>
      <summary>{say.options}</summary>
      <div className="fields">
        <label>
          {say.onReject}
          <select value={onReject} onChange={({ target }) => setOnReject(target.value as OnReject)}>
            <option value="SKIP">{say.skip}</option>
            <option value="ABORT">{say.abort}</option>
          </select>
        </label>
        {onReject === "SKIP" && (
          <>
            <label>
              {say.maxRejected}
              <input
                type="number"
                min="0"
                step="1"
                inputMode="numeric"
                placeholder={say.any}
                value={maxRejected}
                onChange={({ target }) => setMaxRejected(target.value)}
              />
            </label>
            <label>
              {say.maxRejectedRatio}
              <input
                type="number"
                min="0"
                max="100"
                step="any"
                inputMode="decimal"
                placeholder={say.any}
                value={maxPercent}
                onChange={({ target }) => setMaxPercent(target.value)}
              />
            </label>
          </>
        )}
      </div>
    </details>
  );
}
