/** What is said of things that happen while one looks. */
const en = {
  loaded: (number: number, source: string, inserted: string, updated: string, rejected: string) =>
    `Load #${number} of ${source} has succeeded. Rows: ${inserted} new, ${updated} updated, ${rejected} rejected.`,
  undone: (number: number, source: string) => `Load #${number} of ${source} was taken back.`,
  failed: (number: number, source: string, reason: string) => `Load #${number} of ${source} has failed: ${reason}`,
  totalChanged: (amount: string, count: string) => `The numbers have changed: ${amount} in total, paystats ${count}.`,
  show: "Show the load",
  dismiss: "Close",
};

const es: typeof en = {
  loaded: (number, source, inserted, updated, rejected) =>
    `La carga n.º ${number} de ${source} ha terminado bien. Filas: ${inserted} nuevas, ${updated} actualizadas, ${rejected} rechazadas.`,
  undone: (number, source) => `La carga n.º ${number} de ${source} se ha deshecho.`,
  failed: (number, source, reason) => `La carga n.º ${number} de ${source} ha fallado: ${reason}`,
  totalChanged: (amount, count) => `Las cifras han cambiado: ${amount} en total, paystats ${count}.`,
  show: "Ver la carga",
  dismiss: "Cerrar",
};

export const words = { en, es };
