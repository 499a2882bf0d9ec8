import { fileURLToPath } from "node:url";
import { defineConfig } from "vitest/config";

const entry = (path: string) => fileURLToPath(new URL(`./src/${path}`, import.meta.url));

const entries = {
  index: entry("index.ts"),
  react: entry("react/index.ts"),
  "react-native": entry("react-native/index.ts"),
  elements: entry("elements/index.ts"),
  debug: entry("debug/index.ts"),
  server: entry("server/index.ts"),
  testing: entry("testing/index.ts"),
};

export default defineConfig({
  build: {
    target: "es2022",
    lib: { entry: entries, formats: ["es"] },
    rolldownOptions: {
      external: ["react", "react/jsx-runtime"],
      output: {
        minify: true,
        banner: (chunk) => (chunk.name === "react" ? '"use client";' : ""),
        // The core is one file, whoever shares some of it; the HTTP part is loaded when it is first needed.
        codeSplitting: { groups: [{ name: "core", test: /\/js\/src\/(?!index|http)[a-z]+\.ts$/ }] },
      },
    },
    sourcemap: true,
  },
  resolve: {
    alias: [
      { find: /^hereabouts$/, replacement: entries.index },
      { find: /^hereabouts\/([a-z-]+)$/, replacement: `${entry("")}$1/index.ts` },
    ],
  },
  test: { include: ["test/**/*.test.{ts,tsx}"], testTimeout: 5000 },
});
