/** Whether a webhook is genuine. Source: the Standard Webhooks specification, "Signature scheme" and "Webhook headers". */

const PREFIX = "whsec_";
const TOLERANCE_SECONDS = 300;

/** An event, as docs/webhooks.md lists them. */
export interface WebhookEvent {
  readonly id: string;
  readonly seq: number;
  readonly type: string;
  readonly timestamp: string;
  readonly data: { readonly tenant: string; readonly at: number; readonly [field: string]: unknown };
}

/** A message that did not come from who has the secret, or came too late. The text says which. */
export class BadSignature extends Error {
  override readonly name = "BadSignature";
}

/**
 * The event of a genuine request. Rejects with `BadSignature`. An event may come twice: keep the `id` of those that you have
 * acted upon. `nowSeconds` is now but in tests.
 */
export async function verifyWebhook(
  request: Request,
  secret: string,
  nowSeconds: number = Date.now() / 1000,
): Promise<WebhookEvent> {
  const [id, sentAt, given] = ["id", "timestamp", "signature"].map((name) => request.headers.get(`webhook-${name}`));
  if (!id || !sentAt || !given) {
    throw new BadSignature("the headers webhook-id, webhook-timestamp and webhook-signature are not all there");
  }
  // Written so that a time which is no number is refused too.
  if (!(Math.abs(nowSeconds - Number(sentAt)) <= TOLERANCE_SECONDS)) {
    throw new BadSignature(`the message was not sent within ${TOLERANCE_SECONDS} seconds of now`);
  }
  const body = await request.text();
  const key = await keyOf(secret);
  const signed = new TextEncoder().encode(`${id}.${sentAt}.${body}`);
  for (const one of given.split(" ")) {
    const signature = one.startsWith("v1,") ? bytesOf(one.slice(3)) : undefined;
    if (signature && (await crypto.subtle.verify("HMAC", key, signature, signed))) return JSON.parse(body);
  }
  throw new BadSignature("no signature fits the body and the secret");
}

function keyOf(secret: string): Promise<CryptoKey> {
  const key = secret.startsWith(PREFIX) ? bytesOf(secret.slice(PREFIX.length)) : undefined;
  if (!key) throw new TypeError(`the secret of a webhook is ${PREFIX} and base64 after it`);
  return crypto.subtle.importKey("raw", key, { name: "HMAC", hash: "SHA-256" }, false, ["verify"]);
}

function bytesOf(base64: string): Uint8Array<ArrayBuffer> | undefined {
  try {
    return Uint8Array.from(atob(base64), (letter) => letter.charCodeAt(0));
  } catch {
    return undefined;
  }
}
