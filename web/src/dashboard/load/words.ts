/** What is said of any load, wherever it is shown. */
import type { LoadEntity, LoadState } from "../gql/graphql";

const en = {
  title: "Loads",
  intro: "Files of the data lake become statistics here. Whatever a load does can be tried first, and undone.",
  load: (number: number | string) => `Load #${number}`,
  entities: { POSTAL_CODES: "Postal codes", PAYSTATS: "Paystats" } as Record<LoadEntity, string>,
  states: {
    QUEUED: "Queued",
    PLANNING: "Planning",
    LOADING: "Loading",
    ROLLING_UP: "Adding up",
    REVERTING: "Being undone",
    SUCCEEDED: "Succeeded",
    FAILED: "Failed",
    CANCELLED: "Cancelled",
    UNDONE: "Undone",
  } as Record<LoadState, string>,
  succeededBut: (count: string, rows: number) => `Succeeded, ${count} ${rows === 1 ? "row" : "rows"} rejected`,
  nothingBut: (count: string, rows: number) => `No row was loaded, ${count} ${rows === 1 ? "row" : "rows"} rejected`,
  readOnly: "Your key may look at loads. To upload files and to start, stop or undo loads takes the role loader.",
  dryRun: "Dry run",
  onlyRejected: "Rejected lines only",
  progressOf: (number: number) => `Progress of load #${number}`,
  cancel: "Cancel",
  close: "Close",
  nowIn: (number: number, state: string) => `Load #${number}: ${state}.`,
};

const es: typeof en = {
  title: "Cargas",
  intro:
    "Aquí los ficheros del lago de datos se convierten en estadísticas. Todo lo que hace una carga se puede probar antes, y deshacer después.",
  load: (number) => `Carga n.º ${number}`,
  entities: { POSTAL_CODES: "Códigos postales", PAYSTATS: "Paystats" },
  states: {
    QUEUED: "En cola",
    PLANNING: "Planificando",
    LOADING: "Cargando",
    ROLLING_UP: "Sumando",
    REVERTING: "Deshaciéndose",
    SUCCEEDED: "Terminada",
    FAILED: "Fallida",
    CANCELLED: "Cancelada",
    UNDONE: "Deshecha",
  },
  succeededBut: (count, rows) => `Terminada, ${count} ${rows === 1 ? "fila rechazada" : "filas rechazadas"}`,
  nothingBut: (count, rows) =>
    `No se ha cargado ninguna fila, ${count} ${rows === 1 ? "fila rechazada" : "filas rechazadas"}`,
  readOnly:
    "Tu clave permite ver las cargas. Para subir ficheros e iniciar, detener o deshacer cargas hace falta el rol loader.",
  dryRun: "Ensayo",
  onlyRejected: "Solo líneas rechazadas",
  progressOf: (number) => `Progreso de la carga n.º ${number}`,
  cancel: "Cancelar",
  close: "Cerrar",
  nowIn: (number, state) => `Carga n.º ${number}: ${state}.`,
};

export const words = { en, es };
