/** The form that starts a load of one file. */
import { useMutation, useQuery } from "@apollo/client/react";
import { type FormEvent, useEffect, useId, useRef, useState } from "react";
import { useLocation } from "wouter";
import { graphql } from "../../gql";
import type { LoadEntity, OnReject } from "../../gql/graphql";
import { useFormat, useMessages } from "../../locale";
import { ErrorText } from "../../ui/ErrorText";
import { useFocusHandedOn } from "../../ui/use-focus-handed-on";
import { isGeoJson } from "../upload/names";
import { takeLoaded } from "../upload/uploads";
import { uuid } from "../uuid";
import { words as common } from "../words";
import { EntityChoice } from "./EntityChoice";
import { RejectOptions } from "./RejectOptions";
import { words } from "./words";

const START_LOAD = graphql(`
  mutation StartLoad($input: StartLoadInput!) {
    startLoad(input: $input) { load { id number } }
  }
`);

const CODES_KNOWN = graphql(`
  query CodesKnown {
    postalCodes(first: 1) { totalCount }
  }
`);

interface StartFormProps {
  source: string;
  guess?: LoadEntity;
  /** Whether a person has asked for it just now, so that the focus goes to it. */
  takesFocus: boolean;
  close(): void;
}

export function StartForm({ source, guess, takesFocus, close }: StartFormProps) {
  const say = useMessages(words);
  const { close: closeWord } = useMessages(common);
  const id = useId();
  const [, navigate] = useLocation();
  const [entity, setEntity] = useState(isGeoJson(source) ? "POSTAL_CODES" : guess);
  const [dryRun, setDryRun] = useState(false);
  const [onReject, setOnReject] = useState<OnReject>("SKIP");
  const [maxRejected, setMaxRejected] = useState("");
  const [maxPercent, setMaxPercent] = useState("");
  const { data: known } = useQuery(CODES_KNOWN, { skip: entity !== "PAYSTATS" });
  const [start, { loading, error }] = useMutation(START_LOAD);
  const card = useRef<HTMLFormElement>(null);
  useFocusHandedOn(card);

  useEffect(() => {
    if (takesFocus) {
      const first = card.current?.querySelector<HTMLElement>(guess ? ".primary" : "input");
      first?.focus({ preventScroll: true });
      card.current?.scrollIntoView({ block: "nearest" });
    }
  }, [takesFocus, guess]);

  const input = {
    source,
    entity: entity as LoadEntity,
    dryRun,
    onReject,
    maxRejected: maxRejected === "" ? undefined : Number(maxRejected),
    maxRejectedRatio: maxPercent === "" ? undefined : Number(maxPercent) / 100,
  };
  // One key for one wish: sent twice it is one load, and changed it is another one.
  const wish = useRef({ input: "", idempotencyKey: "" });
  const submit = async (event: FormEvent) => {
    event.preventDefault();
    if (loading) {
      return;
    }
    const text = JSON.stringify(input);
    if (wish.current.input !== text) {
      wish.current = { input: text, idempotencyKey: uuid() };
    }
    const { data } = await start({
      variables: { input: { ...input, idempotencyKey: wish.current.idempotencyKey } },
    }).catch(() => ({ data: undefined }));
    if (data) {
      close();
      if (!dryRun) {
        takeLoaded(source);
      }
      navigate(`/loads/${data.startLoad.load.number}`);
    }
  };

  return (
    <form className="card start" aria-labelledby={id} aria-busy={loading} onSubmit={submit} ref={card}>
      <div className="card-head">
        <h2 id={id}>{say.title(source)}</h2>
        <button type="button" className="plain" onClick={close}>
          {closeWord}
        </button>
      </div>
      <EntityChoice
        source={source}
        entity={entity}
        isGuess={entity !== undefined && entity === guess}
        choose={setEntity}
      />
      {known && entity === "PAYSTATS" && <CodesFirst known={known.postalCodes.totalCount} />}
      <label className="check">
        <input type="checkbox" checked={dryRun} onChange={({ target }) => setDryRun(target.checked)} />
        {say.dryRun}
      </label>
      <RejectOptions {...{ onReject, setOnReject, maxRejected, setMaxRejected, maxPercent, setMaxPercent }} />
      {error && (
        <p className="failure" role="alert">
          <strong>{say.notStarted}</strong> <ErrorText error={error} />
        </p>
      )}
      <div className="actions">
        <button type="submit" className="primary">
          {dryRun ? say.startDry : say.start}
        </button>
      </div>
    </form>
  );
}

/** Paystats of postal codes that are not there are rejected: better said before than after. */
function CodesFirst({ known }: { known: number }) {
  const say = useMessages(words);
  const format = useFormat();
  return known === 0 ? (
    <p className="warning">{say.codesFirst}</p>
  ) : (
    <p className="hint">{say.codesKnown(format.count(known))}</p>
  );
}
