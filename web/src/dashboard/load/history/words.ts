/** What is said of the loads so far. */
const en = {
  title: "History",
  state: "State",
  entity: "Rows are",
  any: "All",
  states: "Filter by state",
  number: "Load",
  source: "Source",
  rows: "Rows",
  rejected: "Rejected",
  when: "Accepted",
  took: "Took",
  more: "Show more",
  count: (shown: string, all: string) => `${shown} of ${all}`,
  none: "No load fits this filter.",
  noneYet: "Nothing was loaded yet. Choose a file to begin.",
  all: "Show all loads",
};

const es: typeof en = {
  title: "Historial",
  state: "Estado",
  entity: "Las filas son",
  any: "Todos",
  states: "Filtrar por estado",
  number: "Carga",
  source: "Origen",
  rows: "Filas",
  rejected: "Rechazadas",
  when: "Aceptada",
  took: "Duró",
  more: "Mostrar más",
  count: (shown, all) => `${shown} de ${all}`,
  none: "Ninguna carga cumple este filtro.",
  noneYet: "Todavía no se ha cargado nada. Elige un fichero para empezar.",
  all: "Mostrar todas las cargas",
};

export const words = { en, es };
