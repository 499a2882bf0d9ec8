import { spawnSync } from "node:child_process";
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { afterAll, expect, test } from "vitest";

const here = (path: string) => fileURLToPath(new URL(path, import.meta.url));
const folder = here("./examples");

/** Written beside the tests, so that the examples find what these find. */
afterAll(() => rmSync(folder, { recursive: true, force: true }));

test("every TypeScript example of the pages is sound", { timeout: 60_000 }, () => {
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder);
  const pages = ["../../README.md", ...readdirSync(here("../../docs")).map((name) => `../../docs/${name}`)];
  let examples = 0;
  for (const page of pages.filter((name) => name.endsWith(".md"))) {
    const text = readFileSync(here(page), "utf-8");
    for (const [, kind, code] of text.matchAll(/```(tsx?)\n(.*?)```/gs)) {
      // Types of the reader's own would reach every other example: they are examined alone, by test/register.
      if (code?.includes("declare module")) continue;
      examples += 1;
      writeFileSync(`${folder}/example-${examples}.${kind}`, `${code}\nexport {};\n`);
    }
  }
  writeFileSync(
    `${folder}/platforms.d.ts`,
    `declare module "react-native" { export const AppState: import("hereabouts/react-native").AppStateLike; }\n`,
  );
  const config = {
    extends: "../../tsconfig.json",
    include: ["."],
    exclude: [],
    compilerOptions: { noUnusedLocals: false },
  };
  writeFileSync(`${folder}/tsconfig.json`, JSON.stringify(config));
  const done = spawnSync(process.execPath, [here("../node_modules/typescript/bin/tsc"), "-p", folder]);
  expect(`${done.stdout}${done.stderr}`).toBe("");
  expect(examples).toBeGreaterThan(3);
});
