/** What a server asks of Hereabouts, with an API key. It has the names of the Python client's `PresenceServer`. */
import { Refused } from "../errors.ts";
import type { Card, Holding, Json } from "../messages.ts";

export interface PresenceServerOptions {
  /** Where the server is. */
  readonly url: string;
  /** `hk_…`, with the scopes of the calls that are made. */
  readonly apiKey: string;
  /** One of several tenants that the key names. */
  readonly tenant?: string;
  /** Another `fetch` than the platform's. */
  readonly fetch?: typeof fetch;
}

/** Whom a token is for, and what it grants: patterns of rooms to rights, `{"doc:*": ["join", "watch"]}`. */
export interface TokenFor {
  readonly user_id: string;
  readonly name?: string;
  readonly role?: string;
  readonly info?: { readonly [key: string]: Json };
  readonly rooms?: { readonly [pattern: string]: readonly string[] };
  readonly watch?: readonly string[];
  /** An hour, unless told. */
  readonly expires_in_seconds?: number;
}

/** A user token, and when it runs out (ms). */
export interface Minted {
  readonly token: string;
  readonly expires_at?: number;
}

/** What a sweep did, or would do: sessions judged, those that became lost, removals by cause. */
export interface Swept {
  readonly dry_run: boolean;
  readonly sessions: number;
  readonly lost: number;
  readonly removed: { readonly [cause: string]: number };
  readonly ghosts: number;
  readonly audited: boolean;
}

/** Every call rejects with `Refused` where the server says no, and as `fetch` does where there is none. */
export interface PresenceServer {
  readonly url: string;
  mintToken(about: TokenFor): Promise<Minted>;
  /** The cards of users, in the order asked. At most 500. */
  users(ids: readonly string[]): Promise<readonly Card[]>;
  /** How many are in a room. */
  count(room: string): Promise<number>;
  /** Who holds what of a kind. */
  holdings(kind: string): Promise<readonly Holding[]>;
  /** Whether a push is worth it. In every doubt it is true, also where the call fails. */
  shouldNotify(userId: string): Promise<boolean>;
  /** Do now what is due. For keys with the scope `admin` alone; the server sweeps by itself all the time. */
  sweep(how?: { dry_run?: boolean; reason?: string }): Promise<Swept>;
}

/** The calls of one API key. Nothing is kept between them. */
export function createPresenceServer(options: PresenceServerOptions): PresenceServer {
  const url = options.url.replace(/\/$/, "");
  const headers = { "x-api-key": options.apiKey, ...(options.tenant && { "x-tenant": options.tenant }) };

  async function call<T>(path: string, body?: object): Promise<T> {
    const request = body && {
      method: "POST",
      headers: { ...headers, "content-type": "application/json" },
      body: JSON.stringify(body),
    };
    const response = await (options.fetch ?? fetch)(`${url}/v1/${path}`, request ?? { headers });
    const answer = await response.json().catch(() => ({}));
    if (response.ok) return answer;
    throw new Refused({ code: "internal", ...answer, message: answer.detail ?? `HTTP ${response.status}` });
  }

  const part = encodeURIComponent;
  return {
    url,
    mintToken: (about) => call("tokens", about),
    users: async (ids) => (await call<{ users: Card[] }>("users/query", { ids })).users,
    count: async (room) => (await call<{ count: number }>(`rooms/${part(room)}/count`)).count,
    holdings: async (kind) => (await call<{ held: Holding[] }>(`occupancy/${part(kind)}`)).held,
    shouldNotify: (userId) =>
      call<{ notify: boolean }>(`users/${part(userId)}/should_notify`).then(
        ({ notify }) => notify,
        () => true,
      ),
    sweep: (how = {}) => call("admin/sweep", how),
  };
}
