import { type ChildProcess, spawn } from "node:child_process";
import { createHash, randomBytes } from "node:crypto";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

/** A key that every live server knows, with all that `hereabouts/server` needs. */
export const API_KEY = `hk_${"k".repeat(43)}`;
const SCOPES = ["read", "tokens", "admin"];
const hashOf = (key: string) => createHash("sha256").update(key).digest("hex");

const ROOT = fileURLToPath(new URL("../../..", import.meta.url));

/** A real `hereabouts dev`, on a port of its own. */
export class LiveServer {
  readonly #folder = mkdtempSync(join(tmpdir(), "hereabouts-"));
  #process: ChildProcess | undefined;

  private constructor(readonly port: number) {}

  get url(): string {
    return `http://127.0.0.1:${this.port}`;
  }

  static async start(): Promise<LiveServer> {
    const server = new LiveServer(await freePort());
    await server.run();
    return server;
  }

  /** Start it; it is fit for traffic when this resolves. */
  async run(): Promise<void> {
    const env = {
      ...process.env,
      PYTHONPATH: `${ROOT}/src`,
      HEREABOUTS_JOURNAL__URL: `sqlite:///${this.#folder}/live.db`,
      HEREABOUTS_AUTH__ALGORITHMS: '["HS256"]',
      HEREABOUTS_AUTH__SECRET: randomBytes(48).toString("base64"),
      HEREABOUTS_AUTH__API_KEYS: JSON.stringify([{ name: "app", hash: hashOf(API_KEY), scopes: SCOPES }]),
    };
    const args = ["-m", "hereabouts", "dev", "--port", `${this.port}`];
    this.#process = spawn(`${ROOT}/.venv/bin/python`, args, { env, stdio: "ignore" });
    await until(async () => (await fetch(`${this.url}/readyz`)).ok, 20);
  }

  /** Kill it, and leave nothing behind. */
  async end(): Promise<void> {
    await this.kill();
    rmSync(this.#folder, { recursive: true, force: true });
  }

  /** Kill it, as a power cut does. */
  async kill(): Promise<void> {
    if (!this.#process) return;
    const ended = once(this.#process, "exit");
    this.#process.kill("SIGKILL");
    await ended;
  }
}

/** Wait until something is so. What throws is not so yet. */
export async function until(isSo: () => unknown, seconds = 10): Promise<void> {
  const deadline = Date.now() + seconds * 1000;
  for (;;) {
    try {
      if (await isSo()) return;
    } catch (error) {
      if (Date.now() > deadline) throw error;
    }
    if (Date.now() > deadline) throw new Error(`not so within ${seconds} s: ${isSo}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as { port: number };
  server.close();
  return port;
}
