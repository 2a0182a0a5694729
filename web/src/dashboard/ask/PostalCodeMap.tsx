/** The map itself, by MapLibre GL. */
import {
  type ExpressionSpecification,
  type GeoJSONSource,
  type MapLayerMouseEvent,
  Map as MapLibre,
  type StyleSpecification,
  setWorkerUrl,
} from "maplibre-gl";
import "maplibre-gl/dist/maplibre-gl.css";
import workerUrl from "maplibre-gl/dist/maplibre-gl-worker.mjs?worker&url";
import { type PointerEvent, type Ref, useEffect, useImperativeHandle, useRef, useState } from "react";
import { useSearchParams } from "wouter";
import { useFormat, useMessages } from "../locale";
import { type Settings, useSettings } from "../settings";
import { boxAround, type Choropleth, type Properties, withPaystats } from "./choropleth";
import type { BBox, Position } from "./filter";
import { cornersOf, crossesItself, type Point, rounded } from "./lasso";
import { noneColour, outsideColour } from "./scale";
import { TouchOr } from "./TouchOr";
import { useFilter } from "./use-filter";
import { Values } from "./Values";
import { parseView, writeView } from "./view";
import { words } from "./words";

setWorkerUrl(workerUrl);

export interface MapHandle {
  canvas(): HTMLCanvasElement | undefined;
  bounds(): BBox | undefined;
  zoomIn(): void;
  zoomOut(): void;
  fit(): void;
}

interface PostalCodeMapProps {
  ref: Ref<MapHandle>;
  choropleth: Choropleth | undefined;
  /** Of classes, from the least. */
  colours: string[];
  dark: boolean;
  /** Whether the pointer draws an area. */
  drawing: boolean;
  /** A postal code was clicked on; `adds` where a key was held down. */
  onChoose(code: string, adds: boolean): void;
  /** An area was drawn, or given up. */
  onDrawn(area: Position[] | undefined): void;
  /** The map shows another part; `byPerson` where somebody moved it. */
  onMoved(box: BBox, zoom: number, byPerson: boolean): void;
}

interface Hovered {
  x: number;
  y: number;
  area: Properties;
}

const AREAS = "areas";
const DRAWN = "drawn";
const LEAST_STEP_PX = 6;

export default function PostalCodeMap(props: PostalCodeMapProps) {
  const { ref, choropleth, colours, dark, drawing } = props;
  const say = useMessages(words);
  const format = useFormat();
  const { baseMap } = useSettings();
  const { filter } = useFilter();
  const [params, setParams] = useSearchParams();
  const frame = useRef<HTMLDivElement>(null);
  const [map, setMap] = useState<MapLibre>();
  /** Whether what is seen is what there is. */
  const [drawn, setDrawn] = useState(false);
  const [failed, setFailed] = useState<unknown>();
  const [hovered, setHovered] = useState<Hovered>();
  // Handlers of the map are set once and always mean the newest of these.
  const now = useRef(props);
  now.current = props;
  const view = useRef(parseView(params.get("map")));
  /** Whether somebody has chosen what the map shows: here, or who made the link. */
  const hasView = useRef(view.current !== undefined);
  /** How many places there were when the map was last made to show them all. */
  const fittedTo = useRef<number>(undefined);

  // biome-ignore lint/correctness/useExhaustiveDependencies: the map is made once; what changes is handed to it below
  useEffect(() => {
    if (!frame.current) {
      return;
    }
    let made: MapLibre;
    try {
      made = new MapLibre({
        container: frame.current,
        style: styleOf(baseMap),
        attributionControl: baseMap ? { compact: true } : false,
        locale: {
          "Map.Title": say.map,
          "CooperativeGesturesHandler.WindowsHelpText": say.zoomByCtrl,
          "CooperativeGesturesHandler.MacHelpText": say.zoomByCommand,
          "CooperativeGesturesHandler.MobileHelpText": say.moveByTwoFingers,
        },
        // A wheel or a finger that comes over the map goes on scrolling the page.
        cooperativeGestures: true,
        canvasContextAttributes: { preserveDrawingBuffer: true },
        dragRotate: false,
        maxPitch: 0,
        ...(view.current ?? { center: [0, 0], zoom: 1 }),
      });
    } catch (error) {
      setFailed(error);
      return;
    }
    made.touchZoomRotate.disableRotation();
    made.on("load", () => {
      addLayers(made);
      setMap(made);
    });
    made.on("mousemove", AREAS, ({ point, features }: MapLayerMouseEvent) => {
      const area = features?.[0]?.properties as Properties | undefined;
      made.getCanvas().style.cursor = area ? "pointer" : "";
      setHovered(area && { x: point.x, y: point.y, area });
    });
    made.on("mouseleave", AREAS, () => {
      made.getCanvas().style.cursor = "";
      setHovered(undefined);
    });
    made.on("click", AREAS, ({ features, originalEvent }: MapLayerMouseEvent) => {
      const area = features?.[0]?.properties as Properties | undefined;
      if (area && !now.current.drawing) {
        const { ctrlKey, metaKey, shiftKey } = originalEvent;
        now.current.onChoose(area.code, ctrlKey || metaKey || shiftKey);
      }
    });
    made.on("moveend", ({ originalEvent, ours }: { originalEvent?: unknown; ours?: boolean }) => {
      const byPerson = Boolean(originalEvent || ours);
      if (byPerson) {
        hasView.current = true;
        const { lng, lat } = made.getCenter();
        const text = writeView({ center: [lng, lat], zoom: made.getZoom() });
        setParams(
          (params) => {
            const next = new URLSearchParams(params);
            next.set("map", text);
            return next;
          },
          { replace: true },
        );
      }
      now.current.onMoved(boundsOf(made), made.getZoom(), byPerson);
    });
    return () => made.remove();
  }, []);

  useEffect(() => {
    if (!map || !choropleth) {
      return;
    }
    const settled = () => setDrawn(true);
    setDrawn(false);
    map.getSource<GeoJSONSource>(AREAS)?.setData(choropleth);
    const { features } = choropleth;
    const box = boxAround(withPaystats(features));
    // Until somebody moves it, the map shows all places: also those that a load brings, or takes away. The padding bears that another
    // tolerance has another extent by a little; else the map would move, and so ask for another tolerance.
    if (box && !hasView.current && (fittedTo.current !== features.length || !contains(boundsOf(map), box))) {
      fittedTo.current = features.length;
      map.fitBounds(box, { padding: 16, animate: false });
    }
    map.on("idle", settled);
    return () => {
      map.off("idle", settled);
    };
  }, [map, choropleth]);

  useEffect(() => {
    if (map) {
      const { codes, within, bbox } = filter;
      const isInside: ExpressionSpecification = ["!", ["has", "outside"]];
      const counts: ExpressionSpecification =
        codes.length > 0 ? ["all", isInside, ["in", ["get", "code"], ["literal", codes]]] : isInside;
      const isNarrowed = codes.length > 0 || within !== undefined || bbox !== undefined;
      const ofClass: ExpressionSpecification | string =
        colours.length > 0
          ? ([
              "match",
              ["coalesce", ["get", "class"], -1],
              ...colours.flatMap((colour, index) => [index, colour]),
              noneColour(dark),
            ] as unknown as ExpressionSpecification)
          : noneColour(dark);
      const opacity = baseMap ? 0.75 : 1;
      map.setPaintProperty(AREAS, "fill-color", ["case", isInside, ofClass, outsideColour(dark)]);
      map.setPaintProperty(AREAS, "fill-opacity", ["case", counts, opacity, isInside, opacity * 0.35, opacity]);
      map.setPaintProperty("borders", "line-color", [
        "case",
        isInside,
        dark ? "#0e1217" : "#ffffff",
        dark ? "#313b47" : "#d5dbe1",
      ]);
      map.setPaintProperty("chosen", "line-color", dark ? "#ffffff" : "#16202a");
      map.setPaintProperty("chosen", "line-width", codes.length > 0 ? 2.5 : 1.2);
      map.setFilter("chosen", isNarrowed ? counts : false);
      map.setPaintProperty("drawn", "line-color", dark ? "#ff8f85" : "#b3261e");
      map.getSource<GeoJSONSource>(DRAWN)?.setData(outlineOf(within, bbox));
    }
  }, [map, colours, dark, filter, baseMap]);

  // A postal code that is looked at alone comes into sight, wherever it was chosen.
  const [only, ...others] = filter.codes;
  useEffect(() => {
    const feature = others.length === 0 && choropleth?.features.find(({ properties }) => properties.code === only);
    const box = feature && boxAround([feature]);
    if (map && box && !contains(boundsOf(map), box)) {
      map.fitBounds(box, { padding: 60, maxZoom: 12 });
    }
  }, [map, choropleth, only, others.length]);

  useImperativeHandle(
    ref,
    () => ({
      canvas: () => map?.getCanvas(),
      bounds: () => map && boundsOf(map),
      zoomIn: () => map?.zoomIn({}, { ours: true }),
      zoomOut: () => map?.zoomOut({}, { ours: true }),
      fit() {
        const box = boxAround(now.current.choropleth?.features ?? []);
        if (box) {
          map?.fitBounds(box, { padding: 16 }, { ours: true });
        }
      },
    }),
    [map],
  );

  if (failed) {
    throw failed;
  }
  return (
    <>
      <div ref={frame} className="map-canvas" data-drawn={drawn} />
      {drawing && map && <Pencil map={map} onDrawn={props.onDrawn} />}
      {hovered && !drawing && (
        <div
          className="hovered"
          style={{ insetInlineStart: hovered.x, insetBlockStart: hovered.y }}
          data-flipped={hovered.x > (frame.current?.clientWidth ?? 0) / 2}
        >
          <Values
            title={hovered.area.code}
            values={[
              { key: "amount", name: say.amount, text: format.amount(hovered.area.amount) },
              { key: "count", name: say.count, text: format.count(hovered.area.count) },
              ...(hovered.area.share === null || hovered.area.share === undefined
                ? []
                : [{ key: "share", name: say.shareColumn, text: format.share(hovered.area.share) }]),
            ]}
          />
        </div>
      )}
    </>
  );
}

/** Draws an area with the pointer held down. */
function Pencil({ map, onDrawn }: { map: MapLibre; onDrawn: PostalCodeMapProps["onDrawn"] }) {
  const say = useMessages(words);
  const [points, setPoints] = useState<Point[]>([]);
  const [crosses, setCrosses] = useState(false);
  useEffect(() => {
    const giveUp = (event: KeyboardEvent) => event.key === "Escape" && onDrawn(undefined);
    addEventListener("keydown", giveUp);
    return () => removeEventListener("keydown", giveUp);
  }, [onDrawn]);
  const at = ({ nativeEvent }: PointerEvent): Point => [nativeEvent.offsetX, nativeEvent.offsetY];
  const end = () => {
    const corners = cornersOf(points);
    setPoints([]);
    if (typeof corners === "string") {
      setCrosses(corners === "crosses");
      return;
    }
    const positions = corners.map((point): Position => {
      const { lng, lat } = map.unproject(point);
      return rounded([lng, lat], degreesPerPixel(map));
    });
    if (crossesItself(positions)) {
      setCrosses(true);
    } else {
      onDrawn(positions);
    }
  };
  return (
    <>
      <p className="draw-help" role="status">
        {crosses ? say.crosses : <TouchOr touch={say.drawHelpTouch} mouse={say.drawHelp} />}
      </p>
      <svg
        className="pencil"
        aria-hidden="true"
        onPointerDown={(event) => {
          event.currentTarget.setPointerCapture(event.pointerId);
          setPoints([at(event)]);
          setCrosses(false);
        }}
        onPointerMove={(event) => {
          const last = points.at(-1);
          const [x, y] = at(event);
          if (last && Math.hypot(x - last[0], y - last[1]) >= LEAST_STEP_PX) {
            setPoints([...points, [x, y]]);
          }
        }}
        onPointerUp={end}
        onPointerCancel={() => onDrawn(undefined)}
      >
        <polygon points={points.join(" ")} />
      </svg>
    </>
  );
}

function styleOf(baseMap: Settings["baseMap"]): StyleSpecification | string {
  const empty: StyleSpecification = { version: 8, sources: {}, layers: [] };
  if (!baseMap) {
    return empty;
  }
  return baseMap.url.includes("{z}")
    ? {
        version: 8,
        sources: {
          base: { type: "raster", tiles: [baseMap.url], tileSize: 256, attribution: baseMap.attribution ?? undefined },
        },
        layers: [{ id: "base", type: "raster", source: "base" }],
      }
    : baseMap.url;
}

function addLayers(map: MapLibre) {
  const nothing = { type: "FeatureCollection" as const, features: [] };
  map.addSource(AREAS, { type: "geojson", data: nothing });
  map.addSource(DRAWN, { type: "geojson", data: nothing });
  map.addLayer({ id: AREAS, type: "fill", source: AREAS });
  map.addLayer({ id: "borders", type: "line", source: AREAS, paint: { "line-width": 0.6 } });
  map.addLayer({ id: "chosen", type: "line", source: AREAS, paint: { "line-width": 2.5 } });
  map.addLayer({ id: "drawn", type: "line", source: DRAWN, paint: { "line-width": 3, "line-dasharray": [2, 1] } });
}

/** What of the map the page is narrowed to, as lines. */
function outlineOf(within: Position[] | undefined, box: BBox | undefined): Choropleth {
  const rings = [];
  if (within) {
    rings.push([...within, within[0] as Position]);
  }
  if (box) {
    const [west, south, east, north] = box;
    rings.push([
      [west, south],
      [east, south],
      [east, north],
      [west, north],
      [west, south],
    ]);
  }
  const features = rings.map((coordinates) => ({
    type: "Feature",
    properties: {},
    geometry: { type: "LineString", coordinates },
  }));
  return { type: "FeatureCollection", features } as unknown as Choropleth;
}

function boundsOf(map: MapLibre): BBox {
  const bounds = map.getBounds();
  const within = (degrees: number, limit: number) => Math.min(limit, Math.max(-limit, degrees));
  return [
    within(bounds.getWest(), 180),
    within(bounds.getSouth(), 90),
    within(bounds.getEast(), 180),
    within(bounds.getNorth(), 90),
  ];
}

const degreesPerPixel = (map: MapLibre) => 360 / (512 * 2 ** map.getZoom());

const contains = (outer: BBox, inner: BBox) =>
  outer[0] <= inner[0] && outer[1] <= inner[1] && outer[2] >= inner[2] && outer[3] >= inner[3];
