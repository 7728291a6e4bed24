import { createHash, createPrivateKey, createPublicKey, generateKeyPairSync, type KeyObject, sign } from "node:crypto";

// As much of OpenPGP (RFC 4880, with Ed25519 as GnuPG 2.1 and later write it) as apt's verifiers need: one key that
// signs, its armored public half, and a clear-signed text.

const EDDSA = 22;
const SHA512 = 10;
const ED25519_OID = Buffer.from("2b06010401da470f01", "hex");

const TAG = { publicKey: 6, userId: 13, signature: 2 } as const;

/** A key that signs lists of packages. */
export class SigningKey {
  readonly #private: KeyObject;
  readonly #packet: Buffer;
  readonly #userId: Buffer;
  readonly #created: number;

  /** `created`: seconds since 1970; part of the key's fingerprint, so it is kept with the key. */
  constructor(pem: string, created: number, userId: string) {
    this.#private = createPrivateKey(pem);
    this.#created = created;
    this.#userId = Buffer.from(userId);
    const { x } = createPublicKey(this.#private).export({ format: "jwk" });
    const point = Buffer.concat([Buffer.of(0x40), Buffer.from(x as string, "base64url")]);
    this.#packet = Buffer.concat([
      Buffer.of(4),
      uint32(created),
      Buffer.of(EDDSA, ED25519_OID.length),
      ED25519_OID,
      integer(point),
    ]);
  }

  static make(): string {
    return generateKeyPairSync("ed25519").privateKey.export({ type: "pkcs8", format: "pem" }).toString();
  }

  get #fingerprint(): Buffer {
    return createHash("sha1").update(this.#hashedKey()).digest();
  }

  #hashedKey(): Buffer {
    return Buffer.concat([Buffer.of(0x99), uint16(this.#packet.length), this.#packet]);
  }

  /** The public key, as `apt-key.gpg` is served. */
  publicKey(): string {
    const hashed = Buffer.concat([this.#hashedKey(), Buffer.of(0xb4), uint32(this.#userId.length), this.#userId]);
    // 0x13: the key is its user's; key flags: it certifies and signs.
    const certification = this.#signature(0x13, hashed, this.#created, [subpacket(27, Buffer.of(0x03))]);
    return armor(
      "PGP PUBLIC KEY BLOCK",
      Buffer.concat([packet(TAG.publicKey, this.#packet), packet(TAG.userId, this.#userId), certification]),
    );
  }

  /** The text with its signature, as `InRelease` is served. */
  clearSign(text: string, now: number): string {
    const lines = text.replace(/\n$/, "").split("\n");
    const canonical = Buffer.from(lines.map((line) => line.replace(/[ \t]+$/, "")).join("\r\n"));
    const signature = armor("PGP SIGNATURE", this.#signature(0x01, canonical, now));
    const escaped = lines.map((line) => (line.startsWith("-") ? `- ${line}` : line)).join("\n");
    return `-----BEGIN PGP SIGNED MESSAGE-----\nHash: SHA512\n\n${escaped}\n${signature}`;
  }

  #signature(type: number, hashed: Buffer, now: number, more: Buffer[] = []): Buffer {
    const issuer = this.#fingerprint;
    const subpackets = Buffer.concat([
      subpacket(33, Buffer.concat([Buffer.of(4), issuer])),
      subpacket(2, uint32(now)),
      ...more,
    ]);
    const head = Buffer.concat([Buffer.of(4, type, EDDSA, SHA512), uint16(subpackets.length), subpackets]);
    const trailer = Buffer.concat([Buffer.of(4, 0xff), uint32(head.length)]);
    const digest = createHash("sha512").update(hashed).update(head).update(trailer).digest();
    const signed = sign(null, digest, this.#private);
    const unhashed = subpacket(16, issuer.subarray(-8));
    return packet(
      TAG.signature,
      Buffer.concat([
        head,
        uint16(unhashed.length),
        unhashed,
        digest.subarray(0, 2),
        integer(signed.subarray(0, 32)),
        integer(signed.subarray(32)),
      ]),
    );
  }
}

function uint16(value: number): Buffer {
  const bytes = Buffer.alloc(2);
  bytes.writeUInt16BE(value);
  return bytes;
}

function uint32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value);
  return bytes;
}

/** A number of any length: its bits, then its bytes without leading zeros. */
function integer(bytes: Buffer): Buffer {
  const first = bytes.findIndex((byte) => byte !== 0);
  const value = first < 0 ? Buffer.alloc(0) : bytes.subarray(first);
  const bits = value.length === 0 ? 0 : value.length * 8 - (Math.clz32(value[0] as number) - 24);
  return Buffer.concat([uint16(bits), value]);
}

function packet(tag: number, body: Buffer): Buffer {
  return Buffer.concat([Buffer.of(0xc0 | tag), length(body.length), body]);
}

function subpacket(type: number, body: Buffer): Buffer {
  return Buffer.concat([length(body.length + 1), Buffer.of(type), body]);
}

function length(value: number): Buffer {
  if (value < 192) return Buffer.of(value);
  if (value < 8384) return Buffer.of(((value - 192) >> 8) + 192, (value - 192) & 0xff);
  return Buffer.concat([Buffer.of(0xff), uint32(value)]);
}

function armor(kind: string, body: Buffer): string {
  const lines = body.toString("base64").match(/.{1,64}/g) ?? [];
  return `-----BEGIN ${kind}-----\n\n${lines.join("\n")}\n=${checksum(body)}\n-----END ${kind}-----\n`;
}

function checksum(body: Buffer): string {
  let crc = 0xb704ce;
  for (const byte of body) {
    crc ^= byte << 16;
    for (let bit = 0; bit < 8; bit++) {
      crc <<= 1;
      if (crc & 0x1000000) crc ^= 0x1864cfb;
    }
  }
  return Buffer.of((crc >> 16) & 0xff, (crc >> 8) & 0xff, crc & 0xff).toString("base64");
}
