/** The HTTP calls of the server, made with the session of the console. Shapes are those of spec/openapi.json. */

export interface SignedIn {
  name: string;
  tenant: string;
  scopes: string[];
  may_act: boolean;
  csrf: string;
  version: string;
}

/** A call that the server refused, with the code and the sentence that it gave. */
export class Refused extends Error {
  constructor(
    readonly status: number,
    readonly code: string,
    detail: string,
  ) {
    super(detail);
  }
}

type Values = Record<string, string | number | boolean | null | undefined>;

let csrf = "";
let onSignedOut: () => void = () => {};

/** From now on `listener` is told when the session is over. */
export function whenSignedOut(listener: () => void): void {
  onSignedOut = listener;
}

/** The path of a call below the console, with what is asked; what is empty is left out. */
export function address(path: string, values: Values = {}): string {
  const query = new URLSearchParams();
  for (const [name, value] of Object.entries(values)) {
    if (value !== undefined && value !== null && value !== "") query.set(name, String(value));
  }
  const text = query.toString();
  return `api/v1/${path}${text && `?${text}`}`;
}

/** Reads. Throws `Refused`. */
export async function read<T>(path: string, values: Values = {}, signal?: AbortSignal): Promise<T> {
  return answer<T>(await send(address(path, values), signal ? { signal } : {}));
}

/** Changes something. Throws `Refused`. */
export async function act<T>(method: "POST" | "PUT" | "DELETE", path: string, body?: unknown): Promise<T> {
  return answer<T>(await send(`api/v1/${path}`, withBody(method, body)));
}

/** Who is signed in, or `null`. */
export async function whoAmI(): Promise<SignedIn | null> {
  const response = await send("session");
  return response.status === 401 ? null : remember(await answer<SignedIn>(response));
}

export async function signIn(key: string, tenant: string): Promise<SignedIn> {
  const told = await answer<SignedIn>(await send("session", withBody("POST", { key, tenant: tenant || null })), false);
  return remember(told);
}

export async function signOut(): Promise<void> {
  await send("session", withBody("DELETE"));
  csrf = "";
}

function remember(told: SignedIn): SignedIn {
  csrf = told.csrf;
  return told;
}

function withBody(method: string, body?: unknown): RequestInit {
  const headers: Record<string, string> = { "X-CSRF-Token": csrf };
  if (body === undefined) return { method, headers };
  return { method, headers: { ...headers, "Content-Type": "application/json" }, body: JSON.stringify(body) };
}

async function send(path: string, init: RequestInit = {}): Promise<Response> {
  try {
    return await fetch(path, { ...init, credentials: "same-origin" });
  } catch (error) {
    if (error instanceof DOMException && error.name === "AbortError") throw error;
    throw new Refused(0, "unreachable", "the server cannot be reached");
  }
}

async function answer<T>(response: Response, mayEnd = true): Promise<T> {
  if (response.ok) return (response.status === 204 ? undefined : await response.json()) as T;
  if (response.status === 401 && mayEnd) onSignedOut();
  const problem = await response.json().catch(() => ({}));
  throw new Refused(
    response.status,
    problem.code ?? "internal",
    problem.detail ?? `the server said ${response.status}`,
  );
}
