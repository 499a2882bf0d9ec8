/** The client's beat: as often as the policy says, and a connection that does not answer is let go. */
import type { ClientMessage, Policy } from "./messages.ts";
import type { World } from "./world.ts";

/** No frame for so long after a beat: the connection is dead. Source: spec/protocol.md, "What a client sends". */
const ANSWER_SECONDS = 5;

export class Heart {
  /** Human input that no beat has told yet. */
  hasUntoldInput = false;
  #isVisible: boolean;
  #toldInputAt: number;
  #stopNext: (() => void) | undefined;
  #stopAnswer: (() => void) | undefined;

  constructor(
    private readonly world: World,
    private policy: Policy,
    isVisible: boolean,
    hasToldInput: boolean,
    private readonly say: (beat: ClientMessage) => void,
    private readonly drop: () => void,
  ) {
    this.#isVisible = isVisible;
    this.#toldInputAt = hasToldInput ? world.now() : Number.NEGATIVE_INFINITY;
    this.#plan();
  }

  /** Beat now. */
  beat(): void {
    if (this.hasUntoldInput) this.#toldInputAt = this.world.now();
    const active = this.hasUntoldInput ? { active: true } : undefined;
    this.hasUntoldInput = false;
    this.#stopAnswer ??= this.world.after(ANSWER_SECONDS, this.drop);
    this.#plan();
    this.say({ type: "beat", visible: this.#isVisible, ...active });
  }

  setVisible(isVisible: boolean): void {
    this.#isVisible = isVisible;
    this.beat();
  }

  /** The first human input after a while is told at once: it ends idle when a person comes back. */
  noteInput(): void {
    this.hasUntoldInput = true;
    if (this.world.now() - this.#toldInputAt >= this.#seconds() * 1000) this.beat();
  }

  change(policy: Policy): void {
    this.policy = policy;
    this.#plan();
  }

  /** A frame arrived. */
  heard(): void {
    this.#stopAnswer?.();
    this.#stopAnswer = undefined;
  }

  /** The connection is gone. */
  stop(): void {
    this.heard();
    this.#stopNext?.();
  }

  #seconds(): number {
    return this.#isVisible ? this.policy.beat_visible_seconds : this.policy.beat_hidden_seconds;
  }

  #plan(): void {
    this.#stopNext?.();
    this.#stopNext = this.world.after(this.#seconds(), () => this.beat());
  }
}
