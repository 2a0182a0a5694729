import { useId } from "react";
import type { LoadEntity } from "../../gql/graphql";
import { useMessages } from "../../locale";
import { isGeoJson } from "../upload/names";
import { words as common } from "../words";
import { COLUMNS } from "./columns";
import { words } from "./words";

interface EntityChoiceProps {
  source: string;
  entity?: LoadEntity;
  isGuess: boolean;
  choose(entity: LoadEntity): void;
}

/** What the rows of a file are. */
export function EntityChoice({ source, entity, isGuess, choose }: EntityChoiceProps) {
  const say = useMessages(words);
  const { entities } = useMessages(common);
  const name = useId();
  return (
    <fieldset className="choice">
      <legend>{say.entity}</legend>
      {(["POSTAL_CODES", "PAYSTATS"] as const).map((value) => (
        <label key={value} className="option">
          <input
            type="radio"
            name={name}
            required
            checked={entity === value}
            disabled={value === "PAYSTATS" && isGeoJson(source)}
            onChange={() => choose(value)}
          />
          <span>
            <strong>{entities[value]}</strong>
            {isGuess && entity === value && <em className="tag">{say.guessed}</em>}
            <span className="hint option-columns">
              {say.columns(COLUMNS[value].join(", "))} {value === "POSTAL_CODES" && say.orGeoJson}
            </span>
          </span>
        </label>
      ))}
    </fieldset>
  );
}
