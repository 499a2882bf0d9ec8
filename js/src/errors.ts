/** What can go wrong, for whoever asked. */
import type { ErrorMessage, Holding } from "./messages.ts";

/** The server says no. `code` is one of the error codes of spec/protocol.md. */
export class Refused extends Error {
  override readonly name: string = "Refused";
  readonly code: string;
  readonly limit: string | undefined;
  readonly retryAfterSeconds: number | undefined;
  /** Whose holding made it `occupied`, as far as the viewer may see. */
  readonly holder: Holding | undefined;

  constructor(told: Omit<ErrorMessage, "type">) {
    super(`${told.code}: ${told.message}`);
    this.code = told.code;
    this.limit = told.limit;
    this.retryAfterSeconds = told.retry_after_seconds;
    this.holder = told.holder;
  }

  /** Whether another time may not meet it. */
  get isPassing(): boolean {
    return /^(rate_limited|degraded|internal)$/.test(this.code);
  }
}

/** The session is over and does not come back by itself. `code` is the close code: 4000 to 4099. */
export class SessionEnded extends Error {
  override readonly name = "SessionEnded";

  constructor(
    readonly code: number,
    reason: string,
  ) {
    super(`the session has ended (${code}): ${reason}`);
  }
}

/** The connection was lost before the answer came. */
export class Lost extends Error {
  override readonly name = "Lost";
}
