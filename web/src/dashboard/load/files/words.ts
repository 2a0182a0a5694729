/** What is said of the files of the data lake. */
const en = {
  title: "Files",
  lake: "Data lake",
  way: "Folder",
  filter: "Filter by name",
  refresh: "Refresh",
  name: "Name",
  size: "Size",
  modified: "Changed",
  action: "Load",
  load: "Load…",
  loadOf: (path: string) => `Load ${path}…`,
  notLoadable: "not a kind that can be loaded",
  orFromUrl: "Or from a URL",
  urlForm: "A URL such as https://data.example.org/paystats.csv",
  loadUrl: "Load from this URL…",
  filesIn: (count: number, text: string) => `${text} ${count === 1 ? "file" : "files"}`,
  first: (count: string) =>
    `Only the first ${count} files by path are shown. Open a folder, or type how the path starts.`,
  noneMatch: "No file has this in its name.",
  drop: "Files can be dropped anywhere on this page.",
  emptyFolder: "There is nothing in this folder.",
  empty: "There is nothing in the data lake yet",
  startByUpload:
    "Drop a file of postal codes anywhere on this page, and then one of paystats. Each is looked at, and you start its load with one press.",
  startByFolder: "Put a file of postal codes and one of paystats into the data lake's folder or store, then refresh.",
};

const es: typeof en = {
  title: "Ficheros",
  lake: "Lago de datos",
  way: "Carpeta",
  filter: "Filtrar por nombre",
  refresh: "Actualizar",
  name: "Nombre",
  size: "Tamaño",
  modified: "Modificado",
  action: "Cargar",
  load: "Cargar…",
  loadOf: (path) => `Cargar ${path}…`,
  notLoadable: "no es de un tipo que se pueda cargar",
  orFromUrl: "O desde una URL",
  urlForm: "Una URL como https://data.example.org/paystats.csv",
  loadUrl: "Cargar desde esta URL…",
  filesIn: (count, text) => `${text} ${count === 1 ? "fichero" : "ficheros"}`,
  first: (count) =>
    `Solo se muestran los primeros ${count} ficheros por ruta. Abre una carpeta, o escribe cómo empieza la ruta.`,
  noneMatch: "Ningún fichero tiene esto en su nombre.",
  drop: "Puedes soltar ficheros en cualquier parte de esta página.",
  emptyFolder: "No hay nada en esta carpeta.",
  empty: "Todavía no hay nada en el lago de datos",
  startByUpload:
    "Suelta un fichero de códigos postales en cualquier parte de esta página, y después uno de paystats. Cada uno se examina, y su carga se inicia con una pulsación.",
  startByFolder:
    "Pon un fichero de códigos postales y uno de paystats en la carpeta o el almacén del lago de datos, y actualiza.",
};

export const words = { en, es };
