// What each entry weighs for whoever loads it, minified and compressed by gzip: with all that it imports from the start,
// apart from the core where the entry is not the core itself.
import { readdirSync, readFileSync } from "node:fs";
import { gzipSync } from "node:zlib";
import { build } from "vite";

const KILOBYTE = 1024;
const ENTRIES = { "index.js": 9 * KILOBYTE, "react.js": 3 * KILOBYTE, "react-native.js": KILOBYTE };
const ELEMENT = 2 * KILOBYTE;

const at = (path) => new URL(`../${path}`, import.meta.url);
const text = (name) => readFileSync(at(`dist/${name}`), "utf-8");
// What is loaded when it is first needed, by `import()`, does not count.
const imports = (name) =>
  [...text(name).matchAll(/(?:from|^import|;import)\s*["`]\.\/([^"`]+)["`]/g)].map((match) => match[1]);

function weighed(name, known = new Set()) {
  if (known.has(name)) return known;
  known.add(name);
  for (const other of imports(name)) weighed(other, known);
  return known;
}

/** An element alone: what all elements share, and the core, are weighed by themselves. */
async function element(name) {
  const shared = name === "base.ts" ? /^\.\.\// : /^(\.\.\/|\.\/base)/;
  const [{ output }] = await build({
    configFile: false,
    logLevel: "error",
    build: {
      write: false,
      target: "es2022",
      lib: { entry: at(`src/elements/${name}`).pathname, formats: ["es"] },
      rolldownOptions: { external: shared, output: { minify: true } },
    },
  });
  return gzipSync(output[0].code).length;
}

let isTooHeavy = false;
function tell(name, bytes, limit) {
  isTooHeavy ||= bytes > limit;
  console.log(`${bytes > limit ? "TOO HEAVY" : "ok"}  ${name}: ${bytes} of ${limit} bytes`);
}

const core = weighed("index.js");
for (const [name, limit] of Object.entries(ENTRIES)) {
  const parts = [...weighed(name)].filter((part) => name === "index.js" || !core.has(part));
  tell(name, gzipSync(parts.map(text).join("")).length, limit);
}
for (const name of readdirSync(at("src/elements"))) {
  if (name !== "index.ts" && name !== "times.ts") tell(`elements/${name}`, await element(name), ELEMENT);
}
process.exitCode = isTooHeavy ? 1 : 0;
