// Signed as the Standard Webhooks specification says, so that receivers can use its libraries: HMAC-SHA256 over id.timestamp.body.
import { createHmac, randomBytes } from "node:crypto";
import { BrambleError } from "../../base/errors.ts";

const PREFIX = "whsec_";

/** 32 random bytes, as receivers' libraries want to be given them. */
export const newWebhookSecret = (): string => PREFIX + randomBytes(32).toString("base64");

/** The key of a secret: what follows whsec_ is base64. Throws BAD_INPUT for fewer than 16 bytes. */
export function webhookKey(secret: string): Buffer {
  const key = Buffer.from(secret.slice(PREFIX.length), "base64");
  if (secret.startsWith(PREFIX) && key.length >= 16) return key;
  throw new BrambleError("BAD_INPUT", "that is no webhook secret", {
    hint: "whsec_ and at least 16 bytes as base64; without one Bramble makes it",
  });
}

/** The headers that prove a body: `seconds` since 1970 is part of what is signed, so that nobody can send it again later. */
export function signedHeaders(secret: string, id: string, seconds: number, body: string) {
  const signed = createHmac("sha256", webhookKey(secret)).update(`${id}.${seconds}.${body}`).digest("base64");
  return {
    "webhook-id": id,
    "webhook-timestamp": String(seconds),
    "webhook-signature": `v1,${signed}`,
  };
}
