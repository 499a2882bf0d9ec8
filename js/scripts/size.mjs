// What each entry weighs for whoever loads it: minified, with all that it imports but the core, compressed by gzip.
import { readdirSync, readFileSync } from "node:fs";
import { gzipSync } from "node:zlib";

const LIMITS_BYTES = { "index.js": 9 * 1024, "react.js": 3 * 1024, "react-native.js": 1024 };

const dist = new URL("../dist/", import.meta.url);
const text = (name) => readFileSync(new URL(name, dist), "utf-8");
// What is imported from the start; what is loaded when it is first needed does not count.
const imports = (name) =>
  [...text(name).matchAll(/(?:from|^import|;import)\s*["`]\.\/([^"`]+)["`]/g)].map((match) => match[1]);

/** The file and all that it imports, apart from what the core brings along. */
function weighed(name, known = new Set()) {
  if (known.has(name)) return known;
  known.add(name);
  for (const other of imports(name)) weighed(other, known);
  return known;
}

const core = weighed("index.js");
let isTooHeavy = false;
const limits = { ...LIMITS_BYTES };
for (const name of readdirSync(dist)) if (/^presence-.*\.js$/.test(name)) limits[name] = 2 * 1024;
for (const [name, limit] of Object.entries(limits)) {
  const parts = [...weighed(name)].filter((part) => name === "index.js" || !core.has(part));
  const bytes = gzipSync(parts.map(text).join("")).length;
  isTooHeavy ||= bytes > limit;
  console.log(`${bytes > limit ? "TOO HEAVY" : "ok"}  ${name}: ${bytes} of ${limit} bytes`);
}
process.exitCode = isTooHeavy ? 1 : 0;
