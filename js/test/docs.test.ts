import { spawnSync } from "node:child_process";
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { afterAll, expect, test } from "vitest";

const here = (path: string) => fileURLToPath(new URL(path, import.meta.url));
const folder = here("./examples");

/** Written beside the tests, so that the examples find what these find. */
afterAll(() => rmSync(folder, { recursive: true, force: true }));

interface Example {
  readonly kind: string;
  readonly code: string;
}

function examples(): Example[] {
  const pages = ["../../README.md", ...readdirSync(here("../../docs")).map((name) => `../../docs/${name}`)];
  return pages
    .filter((name) => name.endsWith(".md"))
    .flatMap((page) => [...readFileSync(here(page), "utf-8").matchAll(/```(tsx?)\n(.*?)```/gs)])
    .map(([, kind = "", code = ""]) => ({ kind, code }));
}

/** Types of the reader's own would reach every other example: these are examined alone. */
const widens = ({ code }: Example) => code.includes("declare module");

/** What the compiler says of these files, which stand alone. */
function compiled(name: string, files: Readonly<Record<string, string>>): string {
  const project = `${folder}/${name}`;
  rmSync(project, { recursive: true, force: true });
  mkdirSync(project, { recursive: true });
  for (const [file, code] of Object.entries(files)) writeFileSync(`${project}/${file}`, code);
  const config = {
    extends: "../../../tsconfig.json",
    include: ["."],
    exclude: [],
    compilerOptions: { noUnusedLocals: false },
  };
  writeFileSync(`${project}/tsconfig.json`, JSON.stringify(config));
  const done = spawnSync(process.execPath, [here("../node_modules/typescript/bin/tsc"), "-p", project]);
  return `${done.stdout}${done.stderr}`;
}

test("every TypeScript example of the pages is sound", { timeout: 60_000 }, () => {
  const sound = examples().filter((example) => !widens(example));
  const files = Object.fromEntries(
    sound.map(({ kind, code }, index) => [`example-${index + 1}.${kind}`, `${code}\nexport {};\n`]),
  );
  const platforms = `declare module "react-native" { export const AppState: import("hereabouts/react-native").AppStateLike; export const Text: (props: { children: string }) => import("react").ReactElement; }\n`;
  expect(compiled("pages", { ...files, "platforms.d.ts": platforms })).toBe("");
  expect(sound.length).toBeGreaterThan(3);
});

test("a reader's own types are those of every room and hook", { timeout: 60_000 }, () => {
  const [own, ...others] = examples().filter(widens);
  expect(others).toEqual([]);
  const use = (colour: string) => `import type { Member, Room } from "hereabouts";
    export const name = (member: Member): string => member.state?.colour + (member.info?.avatar ?? "");
    export const paint = (room: Room) => room.update({ colour: ${colour} });
  `;
  expect(compiled("own", { "own.ts": own?.code ?? "", "use.ts": use(`"red"`) })).toBe("");
  expect(compiled("wrong", { "own.ts": own?.code ?? "", "use.ts": use("7") })).toContain("not assignable");
});
