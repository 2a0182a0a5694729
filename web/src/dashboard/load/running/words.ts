/** What is said of loads on their way. */
import type { LoadState } from "../../gql/graphql";

const en = {
  title: "On their way",
  none: "No load is on its way.",
  newest: (count: string, all: string) => `The newest ${count} of ${all}.`,
  phases: {
    QUEUED: "Waits for a worker",
    PLANNING: "Its source is read once, to check it and to divide it",
    LOADING: "Rows are checked and written",
    ROLLING_UP: "The totals are added up; then they change all at once",
    REVERTING: "What it wrote is undone",
    SUCCEEDED: "Done",
    FAILED: "Given up",
    CANCELLED: "Stopped",
    UNDONE: "Undone",
  } as Record<LoadState, string>,
  tries: "Rows are checked, and none is written",
  queuePosition: (place: string) => `number ${place} in the queue`,
  speed: (rows: string) => `${rows} rows/s`,
  left: (duration: string) => `${duration} left`,
  cancelOf: (number: number) => `Cancel load #${number}`,
  cancelQuestion: (number: number) => `Stop load #${number}? What it has written is undone.`,
  cancelYes: "Stop it",
  cancelNo: "Let it go on",
  notCancelled: "It was not stopped.",
  counts: {
    read: "Read",
    inserted: "New",
    updated: "Updated",
    unchanged: "Unchanged",
    rejected: "Rejected",
  },
};

const es: typeof en = {
  title: "En curso",
  none: "No hay ninguna carga en curso.",
  newest: (count, all) => `Las ${count} más nuevas de ${all}.`,
  phases: {
    QUEUED: "Espera a un proceso libre",
    PLANNING: "Se lee el origen una vez, para comprobarlo y dividirlo",
    LOADING: "Se comprueban y escriben filas",
    ROLLING_UP: "Se suman los totales; después cambian todos a la vez",
    REVERTING: "Se deshace lo que escribió",
    SUCCEEDED: "Terminada",
    FAILED: "Abandonada",
    CANCELLED: "Detenida",
    UNDONE: "Deshecha",
  },
  tries: "Se comprueban filas, sin escribir ninguna",
  queuePosition: (place) => `puesto ${place} de la cola`,
  speed: (rows) => `${rows} filas/s`,
  left: (duration) => `quedan ${duration}`,
  cancelOf: (number) => `Cancelar la carga n.º ${number}`,
  cancelQuestion: (number) => `¿Detener la carga n.º ${number}? Se deshace lo que haya escrito.`,
  cancelYes: "Detenerla",
  cancelNo: "Dejar que siga",
  notCancelled: "No se ha detenido.",
  counts: {
    read: "Leídas",
    inserted: "Nuevas",
    updated: "Actualizadas",
    unchanged: "Sin cambios",
    rejected: "Rechazadas",
  },
};

export const words = { en, es };
