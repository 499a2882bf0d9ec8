/**
 * The same messages without a WebSocket: heartbeats by HTTP, and Server-Sent Events for what changes.
 *
 * Loaded when it is first needed; where nothing can be loaded later, as in a service worker, there are WebSockets only.
 * It carries presence, joining, watching, typing and occupancy. State and status need a WebSocket; here they are refused
 * with `unsupported`. Source: spec/protocol.md, "HTTP".
 */
import type { ClientMessage, ServerMessage } from "./messages.ts";
import type { Heard, Wire } from "./wire.ts";
import type { World } from "./world.ts";

interface BeatAnswer {
  readonly session_id: string;
  readonly resume: string;
  readonly leave_token: string;
  readonly next_beat_seconds: number | null;
  readonly resumed: boolean;
}

/** Where hidden sessions are not asked to beat, they do as often as this. */
const HIDDEN_BEAT_SECONDS = 60;
/** A leave token waits no longer than the grace, however long it is asked to. */
const LONGEST_GRACE_SECONDS = 86_400;

class Failed extends Error {
  constructor(
    readonly status: number,
    readonly body: { code?: string; detail?: string; retry_after_seconds?: number },
  ) {
    super(body.detail ?? `the server answered ${status}`);
  }
}

/** Speak by HTTP. What a WebSocket would say is said by the answers and by an event stream. */
export function openHttp(world: World, base: string, hello: ClientMessage, heard: Heard): Wire {
  return new HttpWire(world, base, hello, heard);
}

class HttpWire implements Wire {
  readonly transport = "http";
  readonly #rooms = new Set<string>();
  readonly #typing = new Set<string>();
  readonly #watched = { rooms: new Set<string>(), users: new Set<string>(), occupancy: new Set<string>() };
  readonly #abort = new AbortController();
  #token: unknown;
  #platform: unknown;
  #resume: unknown;
  #leaveToken: string | undefined;
  #chain: Promise<void>;
  #stream: AbortController | undefined;
  #looked = "";

  constructor(
    private readonly world: World,
    private readonly base: string,
    { token, resume, visible, active, platform }: ClientMessage,
    private readonly heard: Heard,
  ) {
    this.#token = token;
    this.#resume = resume;
    this.#platform = platform;
    this.#chain = this.#beat({ visible, active }).then((answer) => this.#welcome(answer), this.#fail);
  }

  send(message: ClientMessage): void {
    if (message.type === "bye") this.#leave();
    this.#chain = this.#chain.then(() => this.#say(message));
  }

  /** The request outlives this wire. */
  #leave(): void {
    const body = this.#leaveToken;
    if (body)
      this.world.fetch(`${this.base}/v1/leave`, { method: "POST", body, keepalive: true }).catch(() => undefined);
  }

  close(): void {
    this.#abort.abort();
    this.#stream?.abort();
  }

  async #say(message: ClientMessage): Promise<void> {
    if (this.#abort.signal.aborted) return;
    try {
      const given = await this.#do(message);
      if (message.id !== undefined) this.#tell({ ...given, type: "ok", id: message.id });
      this.#look();
    } catch (error) {
      if (error instanceof Failed && error.body.code && error.status !== 401 && message.id !== undefined) {
        if (message.type === "join") this.#rooms.delete(message.room as string);
        const { code } = error.body;
        this.#tell({ ...error.body, type: "error", id: message.id, code, message: error.message });
      } else this.#fail(error);
    }
  }

  /** Do what a message asks for. Gives what the answer to it holds. */
  async #do(message: ClientMessage): Promise<object> {
    const { type, on, visible, active } = message;
    const room = message.room as string;
    switch (type) {
      case "beat":
        await this.#beat({ visible, active });
        this.#tell({ type: "beat", server_time_at: Number.NaN });
        break;
      case "join":
        this.#rooms.add(room);
        await this.#beat({ rooms: [...this.#rooms] });
        break;
      case "leave":
        this.#rooms.delete(room);
        this.#typing.delete(room);
        await this.#beat({ rooms: [...this.#rooms], typing: [...this.#typing] });
        break;
      case "typing":
        this.#typing[on ? "add" : "delete"](room);
        await this.#beat({ typing: [...this.#typing] });
        break;
      case "watch":
      case "unwatch":
        for (const [list, names] of Object.entries(this.#watched)) {
          for (const name of (message[list] ?? []) as string[]) names[type === "watch" ? "add" : "delete"](name);
        }
        break;
      case "sync":
        this.#looked = "";
        break;
      case "refresh":
        this.#token = message.token;
        break;
      case "occupy":
        return this.#call("PUT", resourcePath(message), { on_conflict: message.on_conflict });
      case "release":
        return this.#call("DELETE", resourcePath(message));
      case "bye":
        break;
      default:
        throw new Failed(400, { code: "unsupported", detail: `${type} needs a WebSocket, which is blocked here` });
    }
    return {};
  }

  async #call(method: string, path: string, body?: object): Promise<object> {
    const response = await this.world.fetch(this.base + path, {
      method,
      headers: { authorization: `Bearer ${this.#token}`, "content-type": "application/json" },
      ...(body && { body: JSON.stringify(body) }),
      signal: this.#abort.signal,
    });
    const answer = response.status === 204 ? {} : await response.json();
    if (!response.ok) throw new Failed(response.status, answer);
    return answer;
  }

  async #beat(body: object): Promise<BeatAnswer> {
    const secret = { resume: this.#resume, platform: this.#platform };
    const answer = (await this.#call("POST", "/v1/heartbeat", { ...secret, ...body })) as BeatAnswer;
    this.#resume = answer.resume;
    this.#leaveToken = answer.leave_token;
    return answer;
  }

  #welcome({ session_id, resume, leave_token, resumed, next_beat_seconds }: BeatAnswer): void {
    const beat = next_beat_seconds ?? HIDDEN_BEAT_SECONDS;
    this.heard.opened();
    this.#tell({
      type: "welcome",
      session_id,
      incarnation: 0,
      resumed,
      resume,
      leave_token,
      user: { id: "" },
      tenant: "",
      server_time_at: Number.NaN,
      limits: {},
      rooms: [],
      policy: {
        beat_visible_seconds: beat,
        beat_hidden_seconds: beat,
        lease_visible_seconds: beat,
        lease_hidden_seconds: beat,
        grace_seconds: LONGEST_GRACE_SECONDS,
        idle_after_seconds: null,
        typing_refresh_seconds: beat,
      },
    });
  }

  /** Open the stream anew where something else is looked at. */
  #look(): void {
    const query = new URLSearchParams();
    const rooms = new Set([...this.#rooms, ...this.#watched.rooms]);
    if (rooms.size) query.set("rooms", [...rooms].join(","));
    const { users, occupancy } = this.#watched;
    if (users.size) query.set("users", [...users].join(","));
    if (occupancy.size) query.set("occupancy", [...occupancy].join(","));
    const looked = `${query}`;
    if (looked === this.#looked) return;
    this.#looked = looked;
    this.#stream?.abort();
    this.#stream = undefined;
    if (looked) void this.#listen(looked);
  }

  async #listen(query: string): Promise<void> {
    const stream = new AbortController();
    this.#stream = stream;
    try {
      const headers = { authorization: `Bearer ${this.#token}` };
      const { signal } = stream;
      const response = await this.world.fetch(`${this.base}/v1/events?${query}`, { headers, signal });
      if (!response.ok || !response.body) throw new Failed(response.status, {});
      const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
      for (let text = ""; ; ) {
        const { value, done } = await reader.read();
        if (done) throw new Failed(0, {});
        const blocks = (text + value).split("\n\n");
        text = blocks.pop() ?? "";
        for (const data of blocks.flatMap((block) => /^data: (.*)$/m.exec(block)?.[1] ?? [])) {
          if (!signal.aborted) this.#tell(JSON.parse(data) as ServerMessage);
        }
      }
    } catch (error) {
      if (!stream.signal.aborted) this.#fail(error);
    }
  }

  #tell(message: ServerMessage): void {
    if (!this.#abort.signal.aborted) this.heard.message(message);
  }

  readonly #fail = (error: unknown): void => {
    if (this.#abort.signal.aborted) return;
    this.close();
    if (error instanceof Failed && error.status === 401) this.heard.closed(4100, error.message);
    else this.heard.closed(undefined, String(error));
  };
}

function resourcePath({ resource, fencing }: ClientMessage): string {
  const [kind = "", ...name] = String(resource).split(":");
  const query = fencing === undefined ? "" : `?fencing=${fencing}`;
  return `/v1/occupancy/${encodeURIComponent(kind)}/${encodeURIComponent(name.join(":"))}${query}`;
}
