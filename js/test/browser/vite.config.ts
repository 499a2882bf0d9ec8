/** The pages that tests/browser open: made with the built package, as a user's own build would. */
import { fileURLToPath } from "node:url";

const here = (path: string) => fileURLToPath(new URL(path, import.meta.url));
const pages = ["plain", "react", "elements", "hydrate"];

export default {
  root: here("."),
  base: "/",
  build: {
    outDir: here("../../build/browser"),
    emptyOutDir: true,
    target: "es2022",
    // Inlined scripts and pictures would need an exception from the content security policy.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    rolldownOptions: { input: pages.map((name) => here(`${name}.html`)) },
  },
  resolve: {
    alias: [
      { find: /^hereabouts$/, replacement: here("../../dist/index.js") },
      { find: /^hereabouts\/([a-z-]+)$/, replacement: here("../../dist/$1.js") },
    ],
  },
};
