import { defineConfig } from "vite";

// Plain names in one folder: the package serves them as they are, and no answer is cached.
export default defineConfig({
  base: "./",
  build: {
    target: "es2022",
    outDir: "../src/hereabouts/console_files",
    emptyOutDir: true,
    assetsDir: ".",
    assetsInlineLimit: 0,
    modulePreload: false,
    rolldownOptions: {
      output: { entryFileNames: "console.js", chunkFileNames: "[name].js", assetFileNames: "console[extname]" },
    },
  },
});
