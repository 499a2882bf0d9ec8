/** For your own server, or for functions where there is none: tokens, questions, webhooks. Needs `fetch` and Web Crypto alone. */
export {
  createPresenceServer,
  type Minted,
  type PresenceServer,
  type PresenceServerOptions,
  type Swept,
  type TokenFor,
} from "./calls.ts";
export { forwardRoute, tokenRoute } from "./routes.ts";
export { BadSignature, verifyWebhook, type WebhookEvent } from "./webhooks.ts";
