import { createHash, randomBytes, scrypt, timingSafeEqual } from "node:crypto";
import { BrambleError } from "../../base/errors.ts";

/** 2^15 × 8 × 128 bytes = 32 MiB and some 80 ms each. */
const COST = { N: 2 ** 15, r: 8, p: 1 };
const AT_ONCE = 2;
const WAITING = 8;

export const digest = (secret: string): string => createHash("sha256").update(secret).digest("hex");
/** 256 random bits in 43 characters. */
export const newSecret = (): string => randomBytes(32).toString("base64url");

let working = 0;
const line: (() => void)[] = [];

/** Few at a time: each takes memory, and strangers may ask. */
async function inLine<T>(work: () => Promise<T>): Promise<T> {
  if (line.length >= WAITING)
    throw new BrambleError("TOO_MANY", "too many passwords are being checked at once", {
      hint: "try again in a few seconds",
    });
  if (working >= AT_ONCE) await new Promise<void>((resolve) => line.push(resolve));
  working += 1;
  try {
    return await work();
  } finally {
    working -= 1;
    line.shift()?.();
  }
}

const derive = (password: string, salt: Buffer, { N, r, p }: typeof COST) =>
  inLine(
    () =>
      new Promise<Buffer>((resolve, reject) =>
        scrypt(password.normalize("NFC"), salt, 32, { N, r, p, maxmem: 256 * N * r }, (error, key) =>
          error ? reject(error) : resolve(key),
        ),
      ),
  );

/** `scrypt$N$r$p$salt$hash`, RFC 7914. */
export async function hashPassword(password: string): Promise<string> {
  const salt = randomBytes(16);
  const key = await derive(password, salt, COST);
  return ["scrypt", COST.N, COST.r, COST.p, salt.toString("base64url"), key.toString("base64url")].join("$");
}

/** Takes the same time where there is no hash to compare with: whether a user exists, nobody learns by the clock. */
export async function passwordFits(password: string, hash: string | null | undefined): Promise<boolean> {
  const [, N, r, p, salt = "", key = ""] = (hash ?? "").split("$");
  const cost = hash ? { N: Number(N), r: Number(r), p: Number(p) } : COST;
  const found = await derive(password, Buffer.from(salt, "base64url"), cost);
  const wanted = Buffer.from(key, "base64url");
  return (
    hash !== null && hash !== undefined && wanted.length === found.length && timingSafeEqual(wanted, found)
  );
}
