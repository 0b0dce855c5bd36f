// The page's build: `vite build ui`, out of ui/ into dist/ui. It runs after the compiler, since the routes come from the built contract.
import { fileURLToPath } from "node:url";
import { defineConfig } from "vite";

const NAME = "virtual:routes";

/** The table of routes without what only the server needs: one truth for both, and no schema library in the browser. */
function routes() {
  return {
    name: "bramble-routes",
    resolveId: (id) => (id === NAME ? `\0${NAME}` : undefined),
    async load(id) {
      if (id !== `\0${NAME}`) return undefined;
      const { ROUTES } = await import(new URL("../dist/src/api/contract.js", import.meta.url).href);
      const told = Object.entries(ROUTES).map(([verb, { result: _, ...route }]) => [verb, route]);
      return `export const ROUTES = JSON.parse(${JSON.stringify(JSON.stringify(Object.fromEntries(told)))});`;
    },
  };
}

export default defineConfig({
  root: fileURLToPath(new URL(".", import.meta.url)),
  base: "./",
  cacheDir: fileURLToPath(new URL("../dist/.vite", import.meta.url)),
  oxc: { jsx: { runtime: "automatic", importSource: "preact" } },
  plugins: [routes()],
  build: {
    outDir: fileURLToPath(new URL("../dist/ui", import.meta.url)),
    emptyOutDir: true,
    target: "es2022",
    // No inline data: the page's security policy allows none.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    reportCompressedSize: false,
  },
  logLevel: "warn",
});
