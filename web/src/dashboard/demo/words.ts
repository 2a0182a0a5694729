/** What is said of the demo data set. */
const en = {
  region: "Demo data",
  isAll: "All of what you see is made up: the demo's postal codes begin with DEMO.",
  isAmong: "The totals include made-up data: the demo's postal codes begin with DEMO.",
  remove: "Remove the demo data",
  question: "Remove the demo data? Its postal codes and paystats go; files that you loaded stay.",
  yes: "Remove it",
  no: "Leave it",
  removing: "Removing the demo data…",
  notDone: "It was not removed.",
};

const es: typeof en = {
  region: "Datos de ejemplo",
  isAll: "Todo lo que ves es inventado: los códigos postales del ejemplo empiezan por DEMO.",
  isAmong: "Los totales incluyen datos inventados: los códigos postales del ejemplo empiezan por DEMO.",
  remove: "Quitar los datos de ejemplo",
  question:
    "¿Quitar los datos de ejemplo? Se van sus códigos postales y sus paystats; los ficheros que hayas cargado se quedan.",
  yes: "Quitarlos",
  no: "Dejarlos",
  removing: "Quitando los datos de ejemplo…",
  notDone: "No se han quitado.",
};

export const words = { en, es };
