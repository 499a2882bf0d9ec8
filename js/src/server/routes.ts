/** Routes of your own origin, as functions from a `Request` to a `Response`: Next.js, Hono, Workers, Deno and Bun take them as they are. */
import type { PresenceServer, TokenFor } from "./calls.ts";

const FORWARDED = /\/(heartbeat|leave)\/?$/;
const KEPT = ["authorization", "content-type"];

/** Answers with a token for whoever `who` says has sent the request; 401 where that is nobody. */
export function tokenRoute(
  server: PresenceServer,
  who: (request: Request) => TokenFor | undefined | Promise<TokenFor | undefined>,
): (request: Request) => Promise<Response> {
  return async (request) => {
    const about = await who(request);
    if (!about) return new Response("nobody is signed in", { status: 401 });
    const { token } = await server.mintToken(about);
    return new Response(token, { headers: { "cache-control": "no-store" } });
  };
}

/**
 * Passes heartbeats and leaves of pages on, so that they go to your own origin: `…/heartbeat` and `…/leave`, by POST.
 * They carry the user's own token or leave token; the API key is no part of it.
 */
export function forwardRoute(server: PresenceServer, send?: typeof fetch): (request: Request) => Promise<Response> {
  return async (request) => {
    const name = FORWARDED.exec(new URL(request.url).pathname)?.[1];
    if (name === undefined || request.method !== "POST") return new Response("not found", { status: 404 });
    const headers = new Headers();
    for (const kept of KEPT) {
      const value = request.headers.get(kept);
      if (value !== null) headers.set(kept, value);
    }
    const answer = await (send ?? fetch)(`${server.url}/v1/${name}`, {
      method: "POST",
      headers,
      body: await request.text(),
    });
    const body = answer.status === 204 ? null : await answer.text();
    return new Response(body, {
      status: answer.status,
      headers: { "content-type": answer.headers.get("content-type") ?? "text/plain", "cache-control": "no-store" },
    });
  };
}
