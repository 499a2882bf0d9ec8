// Renews package-lock.json from package.json, and leaves out where the packages come from: an installation behind a mirror
// works as it is. Arguments go to npm, for example `vite@latest`.
import { spawnSync } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";

const done = spawnSync(
  "npm",
  ["install", "--package-lock-only", "--no-omit-lockfile-registry-resolved", ...process.argv.slice(2)],
  { stdio: "inherit" },
);
if (done.status) process.exit(done.status);
const lock = JSON.parse(readFileSync("package-lock.json", "utf-8"));
for (const pinned of Object.values(lock.packages)) delete pinned.resolved;
writeFileSync("package-lock.json", `${JSON.stringify(lock, null, 2)}\n`);
