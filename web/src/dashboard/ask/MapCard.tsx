import { useQuery } from "@apollo/client/react";
import { Component, lazy, type ReactNode, Suspense, useRef, useState, useSyncExternalStore } from "react";
import { useSearchParams } from "wouter";
import { graphql } from "../gql";
import type { ClassBreaks } from "../gql/graphql";
import { useFormat, useMessages } from "../locale";
import { Card } from "../ui/Card";
import { downloadCsv, downloadJson } from "../ui/download";
import { Problem } from "../ui/Problem";
import { downloadPicture } from "../ui/picture";
import { isDark, onThemeChange } from "../ui/theme";
import { asChoropleth } from "./choropleth";
import { describe } from "./describe";
import { chosen, everywhere, statsFilter } from "./filter";
import type { MapHandle } from "./PostalCodeMap";
import { classColours, noneColour } from "./scale";
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
  const format = useFormat();
  const { filter, change } = useFilter();
  const [classes, setClasses] = useState(5);
  const [breaks, setBreaks] = useState<ClassBreaks>("QUANTILE");
  const [params] = useSearchParams();
  const [simplify, setSimplify] = useState(() => toleranceAt(parseView(params.get("map"))?.zoom));
  const [several, setSeveral] = useState(false);
  const [drawing, setDrawing] = useState(false);
  const dark = useSyncExternalStore(onThemeChange, isDark);
  const map = useRef<MapHandle>(null);
  const { data, previousData, error, refetch, loading } = useQuery(MAP, {
    variables: { filter: statsFilter(everywhere(filter)), classes, breaks, simplify },
  });
  const answer = (data ?? previousData)?.choropleth;
  const choropleth = answer && asChoropleth(answer);
  const limits = choropleth?.breaks ?? [];
  const colours = classColours(Math.max(limits.length - 1, 0), dark);
  const legend = colours.map((colour, index) => ({
    colour,
    text: say.between(format.shortAmount(Number(limits[index])), format.shortAmount(Number(limits[index + 1]))),
  }));
  const withNone = [...legend, { colour: noneColour(dark), text: say.none }];
  const follow = filter.bbox !== undefined;
  return (
    <Card
      title={say.map}
      className="map"
      busy={loading && !data}
      exports={[
        {
          name: "CSV",
          run: () =>
            downloadCsv(
              "paystats-map",
              ["postal_code", "amount", "count", "share", "class"],
              (choropleth?.features ?? []).map(({ properties: { code, amount, count, share, class: place } }) => [
                code,
                amount,
                count,
                share,
                place,
              ]),
            ),
        },
        { name: "GeoJSON", run: () => downloadJson("paystats-map.geojson", choropleth) },
        {
          name: "PNG",
          run: async () => {
            const canvas = map.current?.canvas();
            if (canvas) {
              const { clientWidth, clientHeight } = canvas;
              const about = { title: say.map, about: describe(everywhere(filter), say, format) };
              await downloadPicture("paystats-map", canvas, clientWidth, clientHeight, about, withNone);
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
            <PostalCodeMap
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
                setSimplify(toleranceAt(zoom));
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
        {withNone.map(({ colour, text }) => (
          <li key={text}>
            <span className="swatch" style={{ background: colour }} /> {text}
          </li>
        ))}
      </ul>
      <p className="hint">{say.mapHelp}</p>
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
