import { createHash } from "node:crypto";
import { mkdirSync, writeFileSync } from "node:fs";
import { defineConfig, type Plugin } from "vite";

const page = (name: string) => `${import.meta.dirname}/${name}.html`;

// `npm run dev` serves the pages and hands the API on to a running server.
const api = process.env.PAYSTATS_URL ?? "http://127.0.0.1:8080";

export default defineConfig({
  plugins: [fontsAsFiles()],
  build: {
    target: "es2022",
    rolldownOptions: {
      input: { index: page("index"), graphiql: page("graphiql") },
      onLog(level, log, next) {
        // React libraries mark modules for server rendering, which does not concern us.
        if (log.code !== "MODULE_LEVEL_DIRECTIVE") {
          next(level, log);
        }
      },
    },
    // Everything is a file of our own origin: policies such as `script-src 'self'` and `font-src 'self'` need no exception.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    // Monaco is one big chunk, asked for by GraphiQL alone.
    chunkSizeWarningLimit: 3000,
  },
  worker: { format: "es" },
  optimizeDeps: {
    // These import workers by `?worker`, which the dev server's pre-bundling does not understand.
    exclude: ["graphiql/setup-workers/vite", "@graphiql/react/setup-workers/vite"],
    // What only the workers import is not found by itself.
    include: [
      "graphiql > @graphiql/react > monaco-graphql > picomatch-browser",
      "graphiql > @graphiql/react > graphql-language-service",
    ],
  },
  server: {
    proxy: {
      "/graphql": { target: api, ws: true },
      "/readyz": api,
      "/dashboard.json": api,
      "/datalake": api,
      // Other addresses below /loads are the page's own.
      "^/loads/\\d+/rejections\\.csv": api,
    },
  },
});

/**
 * GraphiQL's style sheet carries 35 fonts (every alphabet, weight and slant) as data: URLs, 0.5 MB that no
 * browser can skip. As files they are fetched one by one, only for the characters that the page shows.
 */
function fontsAsFiles(): Plugin {
  const folder = `${import.meta.dirname}/node_modules/.graphiql-fonts`;
  return {
    name: "paystats:fonts-as-files",
    enforce: "pre",
    transform: {
      filter: { id: /\/graphiql\/dist\/style\.css$/ },
      handler(css) {
        mkdirSync(folder, { recursive: true });
        return css.replace(
          /url\(["']?data:(?:font|application)\/[a-z-]*(woff2?|ttf)[^,]*;base64,([A-Za-z0-9+/=]+)["']?\)/g,
          (_, kind: string, base64: string) => {
            const bytes = Buffer.from(base64, "base64");
            const file = `${folder}/font-${createHash("sha256").update(bytes).digest("hex").slice(0, 8)}.${kind}`;
            writeFileSync(file, bytes);
            return `url("${file}")`;
          },
        );
      },
    },
  };
}
