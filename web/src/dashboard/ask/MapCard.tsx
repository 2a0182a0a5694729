import { useApolloClient, useQuery } from "@apollo/client/react";
import { Component, lazy, type ReactNode, Suspense, useMemo, useRef, useState, useSyncExternalStore } from "react";
import { useSearchParams } from "wouter";
import { graphql } from "../gql";
import type { ClassBreaks } from "../gql/graphql";
import { useLocale, useMessages } from "../locale";
import { Card } from "../ui/Card";
import { downloadCsv, downloadJson } from "../ui/download";
import { Problem } from "../ui/Problem";
import { downloadPicture } from "../ui/picture";
import { isDark, onThemeChange } from "../ui/theme";
import { asChoropleth, withOutside } from "./choropleth";
import { describe } from "./describe";
import { fileName } from "./file-name";
import { among, chosen, everywhere, type Filter, statsFilter } from "./filter";
import type { MapHandle } from "./PostalCodeMap";
import { classColours, noneColour, outsideColour } from "./scale";
import { TouchOr } from "./TouchOr";
import { useFilter } from "./use-filter";
import { parseView, toleranceAt } from "./view";
import { words } from "./words";

// The map is much code, and the numbers beside it need not wait for it.
const PostalCodeMap = lazy(() => import("./PostalCodeMap"));

const MAP = graphql(`
  query Map($filter: StatsFilter!, $classes: Int!, $breaks: ClassBreaks!, $simplify: Float!) {
    choropleth(filter: $filter, classes: $classes, breaks: $breaks, simplify: $simplify)
  }
`);

const CLASSES = [3, 4, 5, 6, 7, 8];
const BREAKS = ["QUANTILE", "JENKS"] as const satisfies ClassBreaks[];

/** The total of every postal code on a map, and ways to choose some of them there. */
export function MapCard() {
  const say = useMessages(words);
  const { locale, format } = useLocale();
  const { filter, change } = useFilter();
  const [classes, setClasses] = useState(5);
  const [breaks, setBreaks] = useState<ClassBreaks>("QUANTILE");
  const [params] = useSearchParams();
  const [simplify, setSimplify] = useState(() => toleranceAt(parseView(params.get("map"))?.zoom));
  const [several, setSeveral] = useState(false);
  const [drawing, setDrawing] = useState(false);
  const dark = useSyncExternalStore(onThemeChange, isDark);
  const map = useRef<MapHandle>(null);
  const client = useApolloClient();
  const variables = (of: Filter) => ({ filter: statsFilter(of), classes, breaks, simplify });
  const isNarrowed = filter.within !== undefined || filter.bbox !== undefined;
  const counting = useQuery(MAP, { variables: variables(among(filter)) });
  const around = useQuery(MAP, { variables: variables(everywhere(filter)), skip: !isNarrowed });
  const answer = (counting.data ?? counting.previousData)?.choropleth;
  const everyArea = (around.data ?? around.previousData)?.choropleth;
  // The same map as long as the answers are: drawing many areas anew takes a while.
  const choropleth = useMemo(() => {
    const map = answer && asChoropleth(answer);
    return isNarrowed && map && everyArea ? withOutside(map, asChoropleth(everyArea)) : map;
  }, [answer, everyArea, isNarrowed]);
  const error = counting.error ?? around.error;
  const refetch = () => Promise.all([counting.refetch(), isNarrowed && around.refetch()]);
  /** What is asked for, and nothing around it. */
  const asked = async () => {
    const { data } = await client.query({ query: MAP, variables: variables(filter), fetchPolicy: "network-only" });
    return data && asChoropleth(data.choropleth);
  };
  const limits = choropleth?.breaks ?? [];
  const colours = classColours(Math.max(limits.length - 1, 0), dark);
  const legend = colours.map((colour, index) => ({
    colour,
    text: say.between(format.shortAmount(Number(limits[index])), format.shortAmount(Number(limits[index + 1]))),
  }));
  const wholeLegend = [
    ...legend,
    { colour: noneColour(dark), text: say.none },
    ...(isNarrowed ? [{ colour: outsideColour(dark), text: say.outside }] : []),
  ];
  const follow = filter.bbox !== undefined;
  return (
    <Card
      title={say.map}
      className="map"
      busy={(around.loading && !around.data) || (counting.loading && !counting.data)}
      exports={[
        {
          name: "CSV",
          run: async () =>
            downloadCsv(
              fileName("map", filter),
              ["postal_code", "amount", "count", "share", "class"],
              ((await asked())?.features ?? []).map(({ properties: { code, amount, count, share, class: place } }) => [
                code,
                amount,
                count,
                share,
                place,
              ]),
            ),
        },
        {
          name: "GeoJSON",
          run: async () =>
            downloadJson(`${fileName("map", filter)}.geojson`, { ...(await asked()), filter: statsFilter(filter) }),
        },
        {
          name: "PNG",
          run: async () => {
            const canvas = map.current?.canvas();
            if (canvas) {
              const { clientWidth, clientHeight } = canvas;
              const about = { title: say.map, about: describe(filter, say, format) };
              await downloadPicture(fileName("map", filter), canvas, clientWidth, clientHeight, about, wholeLegend);
            }
          },
        },
      ]}
    >
      <div className="map-tools">
        <button type="button" aria-pressed={several} onClick={() => setSeveral(!several)}>
          {say.several}
        </button>
        <button type="button" aria-pressed={drawing} onClick={() => setDrawing(!drawing)}>
          {say.draw}
        </button>
        <button
          type="button"
          aria-pressed={follow}
          onClick={() => change({ bbox: follow ? undefined : map.current?.bounds() })}
        >
          {say.onlyViewport}
        </button>
        <span className="spring" />
        <label>
          {say.classes}{" "}
          <select value={classes} onChange={(event) => setClasses(Number(event.target.value))}>
            {CLASSES.map((number) => (
              <option key={number}>{number}</option>
            ))}
          </select>
        </label>
        <label>
          {say.breaks}{" "}
          <select value={breaks} onChange={(event) => setBreaks(event.target.value as ClassBreaks)}>
            {BREAKS.map((name) => (
              <option key={name} value={name}>
                {say.breaksBy[name]}
              </option>
            ))}
          </select>
        </label>
      </div>
      {error && <Problem error={error} retry={() => refetch()} />}
      <div className="map-frame">
        <WithoutWebGl instead={<p className="hint">{say.noMap}</p>}>
          <Suspense fallback={<p className="hint">{say.mapOpening}</p>}>
            {/* What the map itself says is given to it once: in another language it is another map. */}
            <PostalCodeMap
              key={locale}
              ref={map}
              choropleth={choropleth}
              colours={colours}
              dark={dark}
              drawing={drawing}
              onChoose={(code, adds) => change({ codes: chosen(filter.codes, code, adds || several) })}
              onDrawn={(within) => {
                setDrawing(false);
                if (within) {
                  change({ within });
                }
              }}
              onMoved={(bbox, zoom, byPerson) => {
                // A map that finds its place by itself does not ask anew for less.
                setSimplify((now) => (byPerson ? toleranceAt(zoom) : Math.min(now, toleranceAt(zoom))));
                if (follow && byPerson) {
                  change({ bbox }, { replaces: true });
                }
              }}
            />
          </Suspense>
        </WithoutWebGl>
        <div className="zoom">
          <button type="button" aria-label={say.zoomIn} onClick={() => map.current?.zoomIn()}>
            +
          </button>
          <button type="button" aria-label={say.zoomOut} onClick={() => map.current?.zoomOut()}>
            −
          </button>
          <button type="button" aria-label={say.fit} title={say.fit} onClick={() => map.current?.fit()}>
            ⤢
          </button>
        </div>
      </div>
      <ul className="legend" aria-label={say.legend}>
        {wholeLegend.map(({ colour, text }) => (
          <li key={text}>
            <span className="swatch" style={{ background: colour }} /> {text}
          </li>
        ))}
      </ul>
      <p className="hint">
        <TouchOr touch={say.mapHelpTouch} mouse={say.mapHelp} />
      </p>
    </Card>
  );
}

/** A map that cannot be drawn leaves the rest of the page as it is. */
class WithoutWebGl extends Component<{ instead: ReactNode; children: ReactNode }, { failed: boolean }> {
  override state = { failed: false };

  static getDerivedStateFromError() {
    return { failed: true };
  }

  override render() {
    return this.state.failed ? this.props.instead : this.props.children;
  }
}
