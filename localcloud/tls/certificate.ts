import { createHash, generateKeyPairSync, type KeyObject, randomBytes, sign } from "node:crypto";
import { isIP } from "node:net";
import { bits, boolean, explicit, implicit, integer, octets, oid, pem, sequence, set, time, utf8 } from "./der.ts";

/** What a TLS server needs, and what its clients must trust. All PEM. */
export interface ServerCertificate {
  key: string;
  /** The server's own certificate. */
  certificate: string;
  /** The authority's certificate; its key is thrown away as soon as it has signed. */
  authority: string;
}

const ECDSA_WITH_SHA256 = sequence(oid("1.2.840.10045.4.3.2"));
const HOUR = 3_600_000;

/** A fresh authority and one certificate for `hosts`, good for a day: it serves one session on one machine. */
export function createServerCertificate(hosts: readonly string[], now: number = Date.now()): ServerCertificate {
  const authority = generateKeyPairSync("ec", { namedCurve: "P-256" });
  const server = generateKeyPairSync("ec", { namedCurve: "P-256" });
  const issuer = name("ml-training local cloud, this session only");
  const validity = sequence(time(new Date(now - HOUR)), time(new Date(now + 24 * HOUR)));
  const authorityId = keyId(authority.publicKey);

  const authorityDer = signed(authority.privateKey, issuer, validity, issuer, authority.publicKey, [
    extension("2.5.29.19", sequence(boolean(true), integer(Buffer.from([0]))), true), // an authority, with none below it
    extension("2.5.29.15", bits(Buffer.from([0x06]), 1), true), // signs certificates and revocation lists
    extension("2.5.29.14", octets(authorityId)),
  ]);
  const names = hosts.map((host) => (isIP(host) === 4 ? implicit(7, address(host)) : implicit(2, Buffer.from(host))));
  const serverDer = signed(authority.privateKey, issuer, validity, name(hosts[0] ?? "localhost"), server.publicKey, [
    extension("2.5.29.19", sequence(), true),
    extension("2.5.29.15", bits(Buffer.from([0x80]), 7), true), // signs handshakes
    extension("2.5.29.37", sequence(oid("1.3.6.1.5.5.7.3.1"))), // a TLS server
    extension("2.5.29.14", octets(keyId(server.publicKey))),
    extension("2.5.29.35", sequence(implicit(0, authorityId))),
    extension("2.5.29.17", sequence(...names)),
  ]);
  return {
    key: server.privateKey.export({ type: "pkcs8", format: "pem" }).toString(),
    certificate: pem("CERTIFICATE", serverDer),
    authority: pem("CERTIFICATE", authorityDer),
  };
}

function signed(
  key: KeyObject,
  issuer: Buffer,
  validity: Buffer,
  subject: Buffer,
  publicKey: KeyObject,
  extensions: Buffer[],
): Buffer {
  const serial = randomBytes(16);
  serial[0] = ((serial[0] ?? 0) & 0x7f) | 0x01; // positive and without leading zeros
  const content = sequence(
    explicit(0, integer(Buffer.from([2]))), // version 3
    integer(serial),
    ECDSA_WITH_SHA256,
    issuer,
    validity,
    subject,
    publicKey.export({ type: "spki", format: "der" }),
    explicit(3, sequence(...extensions)),
  );
  return sequence(content, ECDSA_WITH_SHA256, bits(sign("sha256", content, key)));
}

function extension(id: string, value: Buffer, critical = false): Buffer {
  return sequence(oid(id), ...(critical ? [boolean(true)] : []), octets(value));
}

function name(commonName: string): Buffer {
  return sequence(set(sequence(oid("2.5.4.3"), utf8(commonName))));
}

/** The first 20 bytes of a hash over the key, by which a certificate names its authority's key. */
function keyId(key: KeyObject): Buffer {
  return createHash("sha256")
    .update(key.export({ type: "spki", format: "der" }))
    .digest()
    .subarray(0, 20);
}

function address(text: string): Buffer {
  return Buffer.from(text.split(".").map(Number));
}
