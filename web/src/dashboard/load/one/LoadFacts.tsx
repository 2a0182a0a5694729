/** What a load was started with, its life, and its relation to other loads. */
import { useQuery } from "@apollo/client/react";
import type { ReactNode } from "react";
import { Link } from "wouter";
import { type FragmentType, graphql, readFragment } from "../../gql";
import { useLive } from "../../live/Live";
import { useAskAgain } from "../../live/use-ask-again";
import { useFormat, useMessages } from "../../locale";
import { When } from "../parts/When";
import { progressOf } from "../progress";
import { isVoid } from "../states";
import { words as common } from "../words";
import { words } from "./words";

const LOAD_FACTS = graphql(`
  fragment LoadFacts on Load {
    id
    number
    source
    sourceSizeBytes
    entity
    dryRun
    onReject
    maxRejected
    maxRejectedRatio
    createdAt
    startedAt
    finishedAt
    undoUntil
    retryOf { id number }
    ...LoadState
  }
`);

/** Loads of the same source: those that repeat this one are among them. */
const REPEATED_BY = graphql(`
  query RepeatedBy($source: String!, $entity: LoadEntity!) {
    loads(filter: { source: $source, entity: $entity }, first: 100) {
      nodes { id number retryOf { id } }
    }
  }
`);

const secondsBetween = (from: string, to: string) => Math.max(0, (Date.parse(to) - Date.parse(from)) / 1000);

export function LoadFacts({ load: masked }: { load: FragmentType<typeof LOAD_FACTS> }) {
  const load = readFragment(LOAD_FACTS, masked);
  const { state } = progressOf(load);
  const say = useMessages(words);
  const { entities } = useMessages(common);
  const format = useFormat();
  const { source, entity, createdAt, startedAt, finishedAt, maxRejected, maxRejectedRatio, retryOf } = load;
  const { newLoads } = useLive();
  const { data, refetch } = useQuery(REPEATED_BY, { variables: { source, entity } });
  useAskAgain(newLoads, () => refetch().catch(() => {}));
  const repeatedBy = data?.loads.nodes.filter((other) => other.retryOf?.id === load.id) ?? [];
  const policy = [
    load.onReject === "ABORT" ? say.aborts : !isVoid(state) && say.skips,
    typeof maxRejected === "number" && say.most(format.count(maxRejected)),
    typeof maxRejectedRatio === "number" && say.mostShare(format.percent(maxRejectedRatio)),
  ];
  const facts: [string, ReactNode][] = [
    [say.source, source],
    [say.size, format.bytes(load.sourceSizeBytes)],
    [say.entity, entities[entity]],
  ];
  if (policy.some(Boolean)) {
    facts.push([say.policy, policy.filter(Boolean).join(", ")]);
  }
  facts.push([say.accepted, <When key="at" at={createdAt} />]);
  if (startedAt) {
    facts.push([say.started, since(startedAt, say.waited(format.duration(secondsBetween(createdAt, startedAt))))]);
  }
  if (finishedAt && state === "UNDONE") {
    facts.push([say.undone, <When key="undone" at={finishedAt} />]);
  } else if (finishedAt) {
    const work = startedAt && say.took(format.duration(secondsBetween(startedAt, finishedAt)));
    facts.push([say.finished, since(finishedAt, work || undefined)]);
  }
  if (retryOf) {
    facts.push([say.repeats, <LoadLink key="of" number={retryOf.number} />]);
  }
  if (repeatedBy.length > 0) {
    facts.push([say.repeatedBy, repeatedBy.map(({ id, number }) => <LoadLink key={id} number={number} />)]);
  }
  if (state === "SUCCEEDED" && !load.dryRun) {
    facts.push([say.undoUntil, <When key="until" at={load.undoUntil} />]);
  }
  return (
    <section className="card load-facts" aria-labelledby="facts-title">
      <h2 id="facts-title">{say.facts}</h2>
      <dl className="facts-list">
        {facts.map(([name, value]) => (
          <div key={name}>
            <dt>{name}</dt>
            <dd>{value}</dd>
          </div>
        ))}
      </dl>
    </section>
  );
}

const since = (at: string, text?: string) => (
  <>
    <When at={at} /> <span className="hint">{text}</span>
  </>
);

function LoadLink({ number }: { number: number }) {
  return <Link href={`/loads/${number}`}>#{number}</Link>;
}
