import { createHmac } from "node:crypto";

/** The key of the specification's example. */
export const KEY = "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

/** A signed webhook, sent now unless told; `signed` is another body than the one that is sent. */
export function webhook(body: string, more: { sentAt?: number; key?: string; signed?: string } = {}): Request {
  const { sentAt = Math.floor(Date.now() / 1000), key = KEY, signed = body } = more;
  const hmac = createHmac("sha256", Buffer.from(key, "base64")).update(`evt_1.${sentAt}.${signed}`).digest("base64");
  const headers = {
    "webhook-id": "evt_1",
    "webhook-timestamp": `${sentAt}`,
    "webhook-signature": `v1,AAAA v1,${hmac}`,
  };
  return new Request("https://app.test/hooks", { method: "POST", headers, body });
}
