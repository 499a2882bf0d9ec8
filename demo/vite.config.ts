/** The demo page, into the server's package. js/ has the tools: `scripts/js run build` makes the client, then this. */
import { fileURLToPath } from "node:url";

const here = (path: string) => fileURLToPath(new URL(path, import.meta.url));

export default {
  root: here("."),
  base: "/demo/",
  build: {
    outDir: here("../src/hereabouts/demo_files"),
    emptyOutDir: true,
    target: "es2022",
    assetsDir: ".",
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    rolldownOptions: {
      output: { entryFileNames: "demo.js", chunkFileNames: "[name].js", assetFileNames: "demo[extname]" },
    },
  },
  resolve: {
    alias: [
      { find: /^hereabouts$/, replacement: here("../js/dist/index.js") },
      { find: /^hereabouts\/([a-z-]+)$/, replacement: here("../js/dist/$1.js") },
    ],
  },
};
