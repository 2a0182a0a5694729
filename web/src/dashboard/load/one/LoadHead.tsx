/** Which load it is, where it stands, and why it failed if it did. */
import { useEffect, useRef } from "react";
import { Link } from "wouter";
import { useRoles } from "../../api/roles";
import { type FragmentType, graphql, readFragment } from "../../gql";
import { useMessages } from "../../locale";
import { StateBadge } from "../parts/StateBadge";
import { useStanding } from "../parts/use-standing";
import { progressOf } from "../progress";
import { COLUMNS } from "../start/columns";
import { words as common } from "../words";
import { asSentence, lacksColumns, mayPassNow, mendOfFailure } from "./mend";
import { words } from "./words";

const LOAD_HEAD = graphql(`
  fragment LoadHead on Load {
    id
    number
    source
    entity
    dryRun
    onlyRejected
    ...LoadState
  }
`);

export function LoadHead({ load: masked }: { load: FragmentType<typeof LOAD_HEAD> }) {
  const load = readFragment(LOAD_HEAD, masked);
  const progress = progressOf(load);
  const error = progress.error ?? "";
  const standing = useStanding(progress);
  const { mayLoad } = useRoles();
  const say = useMessages(words);
  const name = useMessages(common);
  const heading = useRef<HTMLHeadingElement>(null);
  // Who has started it, or followed a link to it, reads on from here.
  // biome-ignore lint/correctness/useExhaustiveDependencies: another load is another page
  useEffect(() => heading.current?.focus({ preventScroll: true }), [load.id]);
  return (
    <header className="load-head">
      <Link href="/loads">← {say.back}</Link>
      <div className="load-title">
        <h1 ref={heading} tabIndex={-1}>
          {name.load(load.number)}
        </h1>
        <StateBadge progress={progress} />
        {load.dryRun && <em className="tag">{name.dryRun}</em>}
        {load.onlyRejected && <em className="tag">{name.onlyRejected}</em>}
      </div>
      <p className="path">{load.source}</p>
      <p role="status" className="visually-hidden">
        {name.nowIn(load.number, standing)}
      </p>
      {error && (
        <p className="failure">
          <strong>{say.failedBecause}</strong> <span lang="en">{asSentence(error)}</span>
          {lacksColumns(error) && ` ${say.needsColumns(name.entities[load.entity], COLUMNS[load.entity].join(", "))}`}
          {mayLoad && !mayPassNow(error) && ` ${mendOfFailure(error, load.source, say)} ${say.thenRetry}`}
        </p>
      )}
      {load.dryRun && <p className="hint">{say.dryRunSays}</p>}
    </header>
  );
}
