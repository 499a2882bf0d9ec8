/** Stays connected: says hello, beats, comes back, resumes. What is wanted on it is asked for by whoever uses it. */
import { Asks } from "./asks.ts";
import { same } from "./equal.ts";
import { SessionEnded } from "./errors.ts";
import { Heart } from "./heart.ts";
import type { ClientMessage, ServerMessage, Welcome } from "./messages.ts";
import { openNowhere } from "./off.ts";
import { BackOff, verdict } from "./returning.ts";
import { type Happening, next, type State } from "./states.ts";
import { Listeners, Store } from "./store.ts";
import { renewInSeconds } from "./tokens.ts";
import { type Heard, openSocket, type Wire } from "./wire.ts";
import type { World } from "./world.ts";

const WELCOME_SECONDS = 10;
/** People are told of a lost connection only after so long: most come back sooner. */
const INTERRUPTED_SECONDS = 5;
/** After so many WebSockets that did not even open, HTTP is tried. */
const BLOCKED_AFTER = 2;

export interface ConnectionSnapshot {
  readonly state: "idle" | "connecting" | "connected" | "reconnecting" | "closed";
  /** Whether there has been no connection for five seconds: time to tell people. */
  readonly isInterrupted: boolean;
  /** Whether the server says that its own view may be stale. */
  readonly isDegraded: boolean;
  readonly transport: "websocket" | "http" | undefined;
  readonly user: Welcome["user"] | undefined;
  /** What the connection ended with. */
  readonly error: Error | undefined;
}

/** How a connection ended that this client did not end itself. */
export interface ConnectionClosed {
  /** The close code; `undefined` where there was none: it never came about, or fell silent. */
  readonly code: number | undefined;
  readonly reason: string;
  /** Whether the client comes back by itself. */
  readonly comesBack: boolean;
}

export interface Ways {
  readonly world: World;
  readonly base: string;
  readonly getToken: () => string | Promise<string>;
  readonly platform: string | undefined;
  readonly transport: "auto" | "websocket" | "http" | "off";
}

/** Who uses the connection. */
export interface User {
  /** Positions to resume from, room by room. */
  seen(): Record<string, readonly [string, number]>;
  welcomed(welcome: Welcome, isSameUser: boolean): void;
  said(message: ServerMessage): void;
  lost(): void;
  /** After a newer token: the rooms that it still shows. */
  granted(rooms: readonly string[]): void;
}

export class Connection {
  readonly shown: Store<ConnectionSnapshot>;
  readonly asks = new Asks((message) => this.say(message));
  readonly closes = new Listeners<[ConnectionClosed]>();
  /** Each frame, for who looks on: what was said and, with `true`, what was heard. */
  readonly frames = new Listeners<[frame: ClientMessage | ServerMessage, isHeard: boolean]>();
  lastClose: ConnectionClosed | undefined;
  welcome: Welcome | undefined;
  resume: string | undefined;
  isVisible = true;
  offsetMs = 0;
  #state: State = "idle";
  #wire: Wire | undefined;
  #heart: Heart | undefined;
  #backOff: BackOff;
  #token: string | undefined;
  /** Counts attempts: what belongs to an earlier one is not heard. */
  #attempt = 0;
  #unopened = 0;
  #hasOpened = false;
  #afterSeconds = 0;
  #welcomedAt = 0;
  #hasInput = true;
  #inputAt: number;
  #isInterrupted = false;
  #isDegraded = false;
  #error: Error | undefined;
  #stops: (() => void)[] = [];
  #stopInterruption: (() => void) | undefined;

  constructor(
    private readonly ways: Ways,
    private readonly user: User,
  ) {
    this.#backOff = new BackOff(ways.world.random);
    this.#inputAt = ways.world.now();
    this.shown = new Store(this.#show());
  }

  get isConnected(): boolean {
    return this.#state === "connected";
  }

  /** Whether it was never opened. */
  get isIdle(): boolean {
    return this.#state === "idle";
  }

  open(): void {
    if (!this.#go("open")) return;
    this.#error = undefined;
    void this.#try();
  }

  /** End the session with `bye`. */
  close(): void {
    this.say({ type: "bye" });
    this.#end(undefined);
  }

  /** The page is put away: let go of the connection, keep the session. */
  suspend(): void {
    if (this.#go("suspend")) this.#letGo();
  }

  /** The page is back, or has a network again: connect at once, or see whether the connection is alive. */
  hurry(): void {
    if (this.#go("resume") || this.#go("retry")) void this.#try();
    else this.#heart?.beat();
  }

  /** Send if there is a connection; whether there was. */
  say(message: ClientMessage): boolean {
    if (!this.isConnected) return false;
    this.frames.tell(message, false);
    this.#wire?.send(message);
    return true;
  }

  setVisible(isVisible: boolean): void {
    if (isVisible === this.isVisible) return;
    this.isVisible = isVisible;
    this.#heart?.setVisible(isVisible);
    if (isVisible && this.#go("retry")) void this.#try();
  }

  noteInput(): void {
    this.#inputAt = this.ways.world.now();
    if (this.#heart) this.#heart.noteInput();
    else this.#hasInput = true;
  }

  /** The server's time in milliseconds, as far as is known. */
  serverNow(): number {
    return Math.round(this.ways.world.wall() + this.offsetMs);
  }

  // From attempt to attempt

  #go(happening: Happening): boolean {
    const state = next(this.#state, happening);
    if (state === undefined) return false;
    this.#state = state;
    for (const stop of this.#stops.splice(0)) stop();
    this.#watchInterruption();
    this.#publish();
    return true;
  }

  async #try(): Promise<void> {
    const attempt = ++this.#attempt;
    this.#afterSeconds = 0;
    this.#stops.push(this.ways.world.after(WELCOME_SECONDS, () => this.#lost(undefined, "no welcome")));
    const ours = (call: () => void) => attempt === this.#attempt && call();
    try {
      const heard: Heard = {
        opened: () => ours(() => this.#opened()),
        message: (message) => ours(() => this.#heard(message)),
        closed: (code, reason) => ours(() => this.#lost(code, reason ?? "")),
      };
      if (this.ways.transport === "off") {
        this.#wire = openNowhere(heard);
        return;
      }
      const token = await this.#currentToken();
      const open = (await this.#usesHttp()) ? (await import("./http.ts")).openHttp : openSocket;
      ours(() => {
        this.#wire = open(this.ways.world, this.ways.base, this.#hello(token), heard);
      });
    } catch (error) {
      ours(() => this.#lost(undefined, String(error)));
    }
  }

  /**
   * Whether this attempt is by HTTP: WebSockets did not even open. Where one has opened before, the server may only have
   * been away: it has to answer, and then one more WebSocket is tried. One that does not open after HTTP, and HTTP is next again.
   */
  async #usesHttp(): Promise<boolean> {
    const { transport, world, base } = this.ways;
    if (transport !== "auto" || this.#unopened < BLOCKED_AFTER) {
      this.#unopened += 1;
      return transport === "http";
    }
    if (this.#hasOpened) {
      await world.fetch(`${base}/healthz`);
      this.#hasOpened = false;
      return false;
    }
    this.#unopened = BLOCKED_AFTER - 1;
    return true;
  }

  #hello(token: string): ClientMessage {
    const { resume } = this;
    const { platform } = this.ways;
    return {
      type: "hello",
      token,
      ...(resume && { resume, seen: this.user.seen() }),
      visible: this.isVisible,
      active: this.#hasInput,
      ...(platform && { platform }),
      client: "hereabouts-js/0.1.0",
    };
  }

  #opened(): void {
    if (this.#wire?.transport === "http") return;
    this.#unopened = 0;
    this.#hasOpened = true;
  }

  #begin(welcome: Welcome): void {
    const { world } = this.ways;
    const before = this.welcome;
    this.welcome = welcome;
    this.resume = welcome.resume;
    this.#isDegraded = false;
    this.#welcomedAt = world.now();
    this.#noteTime(welcome.server_time_at);
    if (!this.#go("welcome")) return;
    this.#heart = new Heart(
      world,
      welcome.policy,
      this.isVisible,
      this.#hasInput,
      (beat) => this.say(beat),
      () => this.#lost(undefined, "no answer to a beat"),
    );
    // A server that knows nothing of the session does not know either that somebody was at work a moment ago.
    const idleAfter = (welcome.policy.idle_after_seconds ?? Number.POSITIVE_INFINITY) * 1000;
    if (!welcome.resumed && !this.#hasInput && world.now() - this.#inputAt < idleAfter) this.#heart.noteInput();
    this.#hasInput = false;
    this.#keepTokenFresh();
    this.user.welcomed(welcome, !before || before.user.id === welcome.user.id || !welcome.user.id);
    this.asks.repeat();
  }

  #lost(code: number | undefined, reason: string): void {
    if (this.#state === "closed") return;
    const wanted = verdict(code);
    this.lastClose = { code, reason, comesBack: wanted !== "stop" };
    this.closes.tell(this.lastClose);
    if (wanted === "stop") {
      this.#end(new SessionEnded(code ?? 0, reason));
      return;
    }
    if (wanted === "new_token") this.#token = undefined;
    if (this.isConnected) this.#backOff.lost((this.ways.world.now() - this.#welcomedAt) / 1000);
    if (!this.#go("lost")) return;
    this.#letGo();
    const seconds = this.#afterSeconds + this.#backOff.nextSeconds();
    this.#stops.push(this.ways.world.after(seconds, () => this.#go("retry") && void this.#try()));
  }

  #end(error: Error | undefined): void {
    this.#error = error;
    this.welcome = this.resume = this.#token = undefined;
    if (!this.#go("end")) return;
    this.#letGo();
    this.asks.end(error ?? new SessionEnded(4000, "closed by this client"));
  }

  #letGo(): void {
    this.#attempt += 1;
    this.#wire?.close();
    this.#wire = undefined;
    if (this.#heart) {
      this.#hasInput = this.#heart.hasUntoldInput;
      this.#heart.stop();
      this.#heart = undefined;
    }
    this.asks.lose();
    this.user.lost();
    this.#publish();
  }

  // Tokens

  async #currentToken(): Promise<string> {
    const left = this.#token === undefined ? 0 : (renewInSeconds(this.#token, this.serverNow()) ?? Infinity);
    if (left <= 1 || this.#token === undefined) this.#token = await this.ways.getToken();
    return this.#token;
  }

  #keepTokenFresh(): void {
    const seconds = renewInSeconds(this.#token ?? "", this.serverNow());
    if (seconds !== undefined) this.#stops.push(this.ways.world.after(seconds, () => void this.#refresh()));
  }

  async #refresh(): Promise<void> {
    const attempt = this.#attempt;
    try {
      const token = await this.ways.getToken();
      if (attempt !== this.#attempt) return;
      const { rooms } = await this.asks.ask({ type: "refresh", token });
      this.#token = token;
      if (rooms) this.user.granted(rooms);
      this.#keepTokenFresh();
    } catch {
      // The server closes with 4100 when the old one runs out, and the next hello brings a new one.
    }
  }

  // What the server says

  #heard(message: ServerMessage): void {
    this.#heart?.heard();
    this.frames.tell(message, true);
    switch (message.type) {
      case "welcome":
        this.#begin(message);
        break;
      case "ok":
      case "error":
        this.asks.answered(message);
        break;
      case "beat":
        this.#noteTime(message.server_time_at);
        break;
      case "policy":
        this.#heart?.change(message.policy);
        if (this.welcome) this.welcome = { ...this.welcome, policy: message.policy };
        break;
      case "degraded":
      case "restored":
        this.#isDegraded = message.type === "degraded";
        this.#publish();
        break;
      case "reconnect":
        this.#afterSeconds = message.after_seconds;
        break;
      default:
        this.user.said(message);
    }
  }

  #noteTime(serverTimeAt: number): void {
    if (serverTimeAt > 0) this.offsetMs = serverTimeAt - this.ways.world.wall();
  }

  // What is shown

  #watchInterruption(): void {
    if (this.#state === "connected" || this.#state === "closed") {
      this.#stopInterruption?.();
      this.#stopInterruption = undefined;
      this.#isInterrupted = false;
    } else {
      this.#stopInterruption ??= this.ways.world.after(INTERRUPTED_SECONDS, () => {
        this.#isInterrupted = true;
        this.#publish();
      });
    }
  }

  #show(): ConnectionSnapshot {
    const isBack = this.welcome !== undefined && this.#state !== "connected" && this.#state !== "closed";
    const state = isBack ? "reconnecting" : this.#state;
    return {
      state: state === "waiting" || state === "suspended" ? "connecting" : state,
      isInterrupted: this.#isInterrupted,
      isDegraded: this.#isDegraded,
      transport: this.isConnected ? this.#wire?.transport : undefined,
      user: this.welcome?.user,
      error: this.#error,
    };
  }

  #publish(): void {
    const shown = this.#show();
    if (!same(shown, this.shown.getSnapshot())) this.shown.set(Object.freeze(shown));
  }
}
