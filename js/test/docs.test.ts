import { spawnSync } from "node:child_process";
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { afterAll, expect, test, vi } from "vitest";
import { webhook } from "./webhook.ts";

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

test("the functions of the page without a server do what it says", async () => {
  const [, code = ""] = /```ts\n(.*?)```/s.exec(readFileSync(here("../../docs/functions.md"), "utf-8")) ?? [];
  mkdirSync(`${folder}/functions`, { recursive: true });
  writeFileSync(`${folder}/functions/presence.ts`, code);
  const page = await import(/* @vite-ignore */ `${folder}/functions/presence.ts`);
  const asked: string[] = [];
  const answers: Record<string, object> = {
    "/v1/tokens": { token: "t" },
    "/v1/users/ada/should_notify": { notify: false },
    "/v1/users/query": { users: [{ user_id: "ada", status: "online" }] },
    "/v1/heartbeat": { session_id: "s" },
  };
  vi.stubGlobal("fetch", async (url: string, init?: RequestInit) => {
    const { pathname } = new URL(url);
    asked.push(`${init?.method ?? "GET"} ${pathname}`);
    return Response.json(answers[pathname] ?? {}, { status: answers[pathname] ? 200 : 503 });
  });
  const told = {
    online: vi.spyOn(page.yours, "setOnline").mockResolvedValue(undefined),
    push: vi.spyOn(page.yours, "push").mockResolvedValue(undefined),
  };

  expect((await page.token(new Request("https://app.test/api/presence-token"))).status).toBe(401);
  const signedIn = new Request("https://app.test/api/presence-token", { headers: { "x-user": "ada" } });
  expect(await (await page.token(signedIn)).text()).toBe("t");
  for (const to of ["ada", "bob"]) await page.stored(to, "hello");
  expect(told.push.mock.calls).toEqual([["bob", "hello"]]);
  expect(await page.agentsOnline(["ada"])).toBe(1);
  const beat = new Request("https://app.test/api/presence/heartbeat", { method: "POST", body: "{}" });
  expect(await (await page.beats(beat)).json()).toEqual({ session_id: "s" });

  const body = JSON.stringify({ id: "evt_1", type: "user.offline", data: { user_id: "ada" } });
  expect((await page.events(webhook(body))).status).toBe(204);
  expect(told.online.mock.calls).toEqual([["ada", false]]);
  expect((await page.events(webhook(body, { signed: "another body" }))).status).toBe(400);
  vi.unstubAllGlobals();
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
