/** What is said of things that happen while one looks. */
const en = {
  loaded: (number: number, source: string) => `Load #${number} of ${source} has succeeded.`,
  loadedNothing: (number: number, source: string) => `Load #${number} of ${source} has loaded no row.`,
  undone: (number: number, source: string) => `Load #${number} of ${source} was undone.`,
  failed: (number: number, source: string, reason: string) => `Load #${number} of ${source} has failed: ${reason}`,
  inserted: (count: string) => `${count} new`,
  updated: (count: string) => `${count} updated`,
  rejected: (count: string) => `${count} rejected`,
  nothing: "No row has changed",
  totalChanged: "The totals have changed.",
  paystats: (count: string) => `${count} paystats`,
  show: "Show the load",
  toStatistics: "Show the statistics",
  dismiss: "Close",
};

const es: typeof en = {
  loaded: (number, source) => `La carga n.º ${number} de ${source} ha terminado bien.`,
  loadedNothing: (number, source) => `La carga n.º ${number} de ${source} no ha cargado ninguna fila.`,
  undone: (number, source) => `La carga n.º ${number} de ${source} se ha deshecho.`,
  failed: (number, source, reason) => `La carga n.º ${number} de ${source} ha fallado: ${reason}`,
  inserted: (count) => `${count} nuevas`,
  updated: (count) => `${count} actualizadas`,
  rejected: (count) => `${count} rechazadas`,
  nothing: "No ha cambiado ninguna fila",
  totalChanged: "Los totales han cambiado.",
  paystats: (count) => `${count} paystats`,
  show: "Ver la carga",
  toStatistics: "Ver las estadísticas",
  dismiss: "Cerrar",
};

export const words = { en, es };
