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
  key: "API key or token",
  keyHint: "Whoever runs this server gives you one. It is kept until this tab is closed.",
  keyIsWrong: "This key is not accepted: it is mistyped, has expired, or was taken back.",
  notSignedIn: "The server cannot be asked now. Try again in a moment.",
  signIn: "Sign in",
  signOut: "Sign out",
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
  key: "Clave de API o token",
  keyHint: "Te la da quien administra este servidor. Se guarda hasta que se cierre esta pestaña.",
  keyIsWrong: "Esta clave no se acepta: está mal escrita, ha caducado o se ha retirado.",
  notSignedIn: "Ahora no se puede preguntar al servidor. Reinténtalo en un momento.",
  signIn: "Entrar",
  signOut: "Salir",
  exportAs: (title, format) => `${title}: guardar como ${format}`,
};

export const words = { en, es };
