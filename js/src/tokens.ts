/** When a token is to be replaced. Pure. */

/** So long before it runs out, or in the last fifth of its remaining life if that is shorter. */
const EARLY_SECONDS = 30;

/** In how many seconds to bring a new token; `undefined` where the token does not say when it runs out. */
export function renewInSeconds(token: string, nowAt: number): number | undefined {
  const expiresAt = expiry(token);
  if (expiresAt === undefined) return undefined;
  const left = expiresAt - nowAt / 1000;
  return Math.max(1, left - Math.min(EARLY_SECONDS, left / 5));
}

function expiry(token: string): number | undefined {
  try {
    const claims = atob((token.split(".")[1] ?? "").replaceAll("-", "+").replaceAll("_", "/"));
    const { exp } = JSON.parse(claims) as { exp?: unknown };
    return typeof exp === "number" ? exp : undefined;
  } catch {
    return undefined;
  }
}
