import { createHmac, randomBytes, timingSafeEqual } from "node:crypto";
import type { Principal } from "./access.ts";

/** Google's access tokens live an hour. */
const LIFETIME_SECONDS = 3600;

export interface AccessToken {
  access_token: string;
  expires_in: number;
  token_type: "Bearer";
}

/** Issues and reads the bearer tokens of one local cloud. A token names its principal and is signed with a session key. */
export class Tokens {
  readonly #key: Buffer;
  readonly #now: () => number;

  constructor(key: Buffer = randomBytes(32), now: () => number = Date.now) {
    this.#key = key;
    this.#now = now;
  }

  issue(principal: Principal, lifetimeSeconds = LIFETIME_SECONDS): AccessToken {
    const expires = Math.floor(this.#now() / 1000) + lifetimeSeconds;
    const payload = Buffer.from(JSON.stringify({ principal, expires })).toString("base64url");
    return {
      access_token: `ya29.local.${payload}.${this.#sign(payload)}`,
      expires_in: lifetimeSeconds,
      token_type: "Bearer",
    };
  }

  /** The principal that a token names; `undefined` if it is foreign, forged or too old. */
  read(token: string): Principal | undefined {
    const parts = /^ya29\.local\.([\w-]+)\.([\w-]+)$/.exec(token);
    if (!parts) return undefined;
    const [, payload, signature] = parts as unknown as [string, string, string];
    const expected = Buffer.from(this.#sign(payload));
    const given = Buffer.from(signature);
    if (expected.length !== given.length || !timingSafeEqual(expected, given)) return undefined;
    const { principal, expires } = JSON.parse(Buffer.from(payload, "base64url").toString()) as {
      principal: Principal;
      expires: number;
    };
    return expires * 1000 > this.#now() ? principal : undefined;
  }

  #sign(payload: string): string {
    return createHmac("sha256", this.#key).update(payload).digest("base64url");
  }
}
