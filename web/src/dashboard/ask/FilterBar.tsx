import { useApolloClient } from "@apollo/client/react";
import { type FormEvent, useId, useState } from "react";
import { graphql } from "../gql";
import { useFormat, useMessages } from "../locale";
import { describeWithin } from "./describe";
import { AGES, EVERYTHING, GENDERS, isEverything, toggled } from "./filter";
import { type MonthRange, monthsOf } from "./months";
import { useFilter } from "./use-filter";
import { words } from "./words";

const FIND_CODES = graphql(`
  query FindCodes($prefix: String!) {
    postalCodes(filter: { codePrefix: $prefix }, first: 10) { nodes { id code } }
  }
`);

/** All that the page can be narrowed by, and what it is narrowed by now. */
export function FilterBar({ whole }: { whole: MonthRange }) {
  const say = useMessages(words);
  const format = useFormat();
  const { filter, change } = useFilter();
  const months = monthsOf(whole);
  const [unfolded, setUnfolded] = useState(false);
  const fields = useId();
  const [shared, setShared] = useState(false);
  const share = async () => {
    try {
      await navigator.clipboard.writeText(location.href);
      setShared(true);
    } catch {
      // Only pages from this machine or over TLS may write to the clipboard.
      prompt(say.share, location.href);
    }
  };
  const chips = [
    ...filter.codes.map((code) => ({
      key: code,
      text: code,
      drop: () => change({ codes: toggled(filter.codes, code) }),
    })),
    ...(filter.within ? [{ key: "within", text: say.lasso, drop: () => change({ within: undefined }) }] : []),
    ...(filter.bbox ? [{ key: "bbox", text: say.viewport, drop: () => change({ bbox: undefined }) }] : []),
  ];
  return (
    <section className="card filters" aria-label={say.filters}>
      <button
        type="button"
        className="fold"
        aria-expanded={unfolded}
        aria-controls={fields}
        onClick={() => setUnfolded(!unfolded)}
      >
        <span>{say.filters}:</span> <strong>{describeWithin(whole, filter, say, format)}</strong>
      </button>
      <div className="fields" id={fields} data-unfolded={unfolded}>
        <div className="field">
          <label>
            {say.from}{" "}
            <select value={filter.from ?? ""} onChange={(event) => change({ from: event.target.value || undefined })}>
              <option value="">{say.first(format.shortMonth(whole.from))}</option>
              {months.map((month) => (
                <option key={month} value={month} disabled={filter.to !== undefined && month > filter.to}>
                  {format.shortMonth(month)}
                </option>
              ))}
            </select>
          </label>
          <label>
            {say.to}{" "}
            <select value={filter.to ?? ""} onChange={(event) => change({ to: event.target.value || undefined })}>
              <option value="">{say.last(format.shortMonth(whole.to))}</option>
              {months.map((month) => (
                <option key={month} value={month} disabled={filter.from !== undefined && month < filter.from}>
                  {format.shortMonth(month)}
                </option>
              ))}
            </select>
          </label>
        </div>
        <fieldset className="field">
          <legend>{say.age}</legend>
          {AGES.map((age) => (
            <button
              type="button"
              key={age}
              aria-pressed={filter.ages.includes(age)}
              onClick={() => change({ ages: toggled(filter.ages, age) })}
            >
              {say.ages[age]}
            </button>
          ))}
        </fieldset>
        <fieldset className="field">
          <legend>{say.gender}</legend>
          {GENDERS.map((gender) => (
            <button
              type="button"
              key={gender}
              aria-pressed={filter.genders.includes(gender)}
              onClick={() => change({ genders: toggled(filter.genders, gender) })}
            >
              {say.genders[gender]}
            </button>
          ))}
        </fieldset>
        <AddCode />
        <div className="field chips">
          {chips.map(({ key, text, drop }) => (
            <button type="button" className="chip" key={key} aria-label={say.without(text)} onClick={drop}>
              {text} <span aria-hidden="true">×</span>
            </button>
          ))}
          {!isEverything(filter) && (
            <button
              type="button"
              onClick={() =>
                change({ ...EVERYTHING, from: undefined, to: undefined, bbox: undefined, within: undefined })
              }
            >
              {say.clear}
            </button>
          )}
          <button type="button" onClick={() => void share()} onBlur={() => setShared(false)}>
            <span aria-live="polite">{shared ? say.shared : say.share}</span>
          </button>
        </div>
      </div>
    </section>
  );
}

/** Adds a postal code by typing it; what it may become is proposed. */
function AddCode() {
  const say = useMessages(words);
  const client = useApolloClient();
  const { filter, change } = useFilter();
  const [text, setText] = useState("");
  const [found, setFound] = useState<string[]>([]);
  const [unknown, setUnknown] = useState<string>();
  const id = useId();
  const find = async (prefix: string) => {
    const { data } = await client.query({ query: FIND_CODES, variables: { prefix } });
    return data?.postalCodes.nodes.map(({ code }) => code) ?? [];
  };
  const type = async (next: string) => {
    setText(next);
    setUnknown(undefined);
    setFound(next ? await find(next).catch(() => []) : []);
  };
  const add = async (event: FormEvent) => {
    event.preventDefault();
    const code = text.trim();
    // Without an answer the code is taken as it is: the totals then say what there is.
    const known = code && (await find(code).catch(() => [code])).includes(code);
    if (known) {
      change({ codes: [...new Set([...filter.codes, code])] });
      setText("");
    } else if (code) {
      setUnknown(code);
    }
  };
  return (
    <form className="field" onSubmit={(event) => void add(event)}>
      <label>
        {say.addCode}{" "}
        <input
          value={text}
          list={id}
          placeholder={say.addCodeHint}
          autoComplete="off"
          size={10}
          aria-invalid={unknown !== undefined}
          onChange={(event) => void type(event.target.value)}
        />
      </label>
      <datalist id={id}>
        {found.map((code) => (
          <option key={code} value={code} />
        ))}
      </datalist>
      <button type="submit">{say.add}</button>
      <span role="status" className="invalid">
        {unknown && say.unknownCode(unknown)}
      </span>
    </form>
  );
}
