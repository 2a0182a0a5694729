/** What the frame of the pages says. */
const en = {
  skip: "Skip to the content",
  pages: "Pages",
  ask: "Statistics",
  loads: "Loads",
  language: "Language",
  theme: "Colours",
  themes: { auto: "Same as device", light: "Light", dark: "Dark" },
  opening: "Opening…",
  nothingHere: "There is nothing at this address",
  toStart: "To the statistics",
  connectionLost:
    "The connection to the server is lost. It is tried again by itself; nothing of what happens is missed.",
  tryAgain: "Try again",
  notAsked: "This could not be read.",
  table: "Table",
  exportAs: (title: string, format: string) => `${title}: save as ${format}`,
};

const es: typeof en = {
  skip: "Ir al contenido",
  pages: "Páginas",
  ask: "Estadísticas",
  loads: "Cargas",
  language: "Idioma",
  theme: "Colores",
  themes: { auto: "Igual que el dispositivo", light: "Claro", dark: "Oscuro" },
  opening: "Abriendo…",
  nothingHere: "No hay nada en esta dirección",
  toStart: "A las estadísticas",
  connectionLost:
    "Se ha perdido la conexión con el servidor. Se reintenta automáticamente; no se pierde nada de lo que ocurra.",
  tryAgain: "Reintentar",
  notAsked: "No se ha podido leer.",
  table: "Tabla",
  exportAs: (title, format) => `${title}: guardar como ${format}`,
};

export const words = { en, es };
