/** What the form that starts a load says. */
const en = {
  title: (source: string) => `Load ${source}`,
  entity: "What are its rows?",
  columns: (columns: string) => `Columns ${columns}`,
  orGeoJson: "or GeoJSON",
  guessed: "guessed",
  codesFirst: "No postal codes are loaded yet. Load them first: paystats of unknown postal codes are rejected.",
  codesKnown: (count: string) =>
    `Postal codes that are loaded: ${count}. Paystats of other ones are rejected, so load theirs first.`,
  dryRun: "Dry run: only tell what it would do",
  options: "Rejected rows",
  onReject: "A row that is wrong",
  skip: "is left out, the others are loaded",
  abort: "makes the load fail, and nothing of it is left",
  maxRejected: "Fail beyond so many rejected rows",
  maxRejectedRatio: "Fail beyond this share of rejected rows, in percent",
  any: "any",
  start: "Start load",
  startDry: "Start dry run",
  notStarted: "The load was not started.",
};

const es: typeof en = {
  title: (source) => `Cargar ${source}`,
  entity: "¿Qué son sus filas?",
  columns: (columns) => `Columnas ${columns}`,
  orGeoJson: "o GeoJSON",
  guessed: "supuesto",
  codesFirst: "Todavía no hay códigos postales. Cárgalos primero: los paystats de códigos desconocidos se rechazan.",
  codesKnown: (count) =>
    `Códigos postales cargados: ${count}. Los paystats de otros se rechazan, así que carga antes los suyos.`,
  dryRun: "Ensayo: solo decir qué haría",
  options: "Filas rechazadas",
  onReject: "Una fila incorrecta",
  skip: "se omite, las demás se cargan",
  abort: "hace fallar la carga, y no queda nada de ella",
  maxRejected: "Fallar con más filas rechazadas que",
  maxRejectedRatio: "Fallar si se rechaza más de este porcentaje",
  any: "cualquiera",
  start: "Iniciar carga",
  startDry: "Iniciar ensayo",
  notStarted: "La carga no se ha iniciado.",
};

export const words = { en, es };
