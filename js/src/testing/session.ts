/** A session on the server in memory: what it is told, and what it has joined and looks at. */
import type { Leases } from "./life.ts";
import { Life } from "./life.ts";
import type { Speaker } from "./line.ts";
import type { Viewer } from "./rooms.ts";

export class MemorySession {
  incarnation = 1;
  line: Speaker | undefined;
  readonly life: Life;
  readonly joined = new Set<string>();
  readonly viewers = new Map<string, Viewer>();
  readonly users = new Set<string>();
  readonly kinds = new Set<string>();
  readonly id: string;
  readonly resume: string;
  activeAt: number | null;
  seenAt: number;
  stopTimer: (() => void) | undefined;

  constructor(
    number: number,
    readonly userId: string,
    readonly role: string | undefined,
    leases: Leases,
    now: { seconds: number; at: number },
    isVisible: boolean,
    isActive: boolean,
  ) {
    this.id = `s${number}`;
    this.resume = `resume-${number}`;
    this.life = new Life(leases, now.seconds, isVisible);
    this.seenAt = now.at;
    this.activeAt = isActive ? now.at : null;
  }

  get leaveToken(): string {
    return `leave-${this.id}-${this.incarnation}`;
  }

  /** How this session looks at a room. */
  viewer(isCounting: boolean): Viewer {
    return { userId: this.userId, isCounting, say: (message) => this.line?.say(message) };
  }
}
