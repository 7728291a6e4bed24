import { createCipheriv, createDecipheriv, randomBytes } from "node:crypto";
import type { Resource } from "../../core/access.ts";
import { readMembers } from "../../core/body.ts";
import type { Cloud } from "../../core/cloud.ts";
import { notModelled, rpcError } from "../../core/errors.ts";
import { type Call, Router } from "../../core/http.ts";
import { project } from "../resourcemanager/projects.ts";

interface Key {
  name: string;
  purpose: string;
  createTime: string;
  /** Base64. */
  secret: string;
}

const RINGS = "/kms/v1/projects/{project}/locations/{location}/keyRings";
const KEYS = `${RINGS}/{ring}/cryptoKeys`;

/** Cloud KMS v1: rings, keys of purpose ENCRYPT_DECRYPT, encrypt and decrypt. Rings and keys are never deleted. */
export function kmsService({ state, access, now }: Cloud): Router {
  const rings = state.collection<{ name: string; createTime: string }>("kms.keyRings");
  const keys = state.collection<Key>("kms.cryptoKeys");

  function authorised(call: Call, permission: string): { ring: string; key: string; parent: string } {
    const { projectId } = project(state, call.params.project ?? "");
    const parent = `projects/${projectId}/locations/${call.params.location}`;
    const ring = `${parent}/keyRings/${call.params.ring}`;
    const key = `${ring}/cryptoKeys/${call.params.key}`;
    const name = call.params.key ? key : call.params.ring ? ring : parent;
    const type = `cloudkms.googleapis.com/${call.params.key ? "CryptoKey" : "KeyRing"}`;
    const resource: Resource = { service: "cloudkms.googleapis.com", type, name, project: projectId };
    access.require(call.principal, permission, resource);
    return { ring, key, parent };
  }

  function found<T>(collection: { get(name: string): T | undefined }, kind: string, name: string): T {
    const value = collection.get(name);
    if (!value) throw rpcError(404, `${kind} ${name} not found.`);
    return value;
  }

  const shown = ({ secret: _, ...key }: Key) => ({
    ...key,
    primary: { name: `${key.name}/cryptoKeyVersions/1`, state: "ENABLED", protectionLevel: "SOFTWARE" },
  });
  const newName = (call: Call, parameter: string) => {
    const id = call.query.get(parameter) ?? "";
    if (!/^[A-Za-z0-9_-]{1,63}$/.test(id)) throw rpcError(400, `${parameter} must match [a-zA-Z0-9_-]{1,63}.`);
    return id;
  };

  return new Router()
    .on("POST", RINGS, async (call) => {
      const { parent } = authorised(call, "cloudkms.keyRings.create");
      await readMembers<Record<string, never>>(call, {});
      const name = `${parent}/keyRings/${newName(call, "keyRingId")}`;
      if (rings.has(name)) throw rpcError(409, `KeyRing ${name} already exists.`, "ALREADY_EXISTS");
      return { json: rings.set(name, { name, createTime: new Date(now()).toISOString() }) };
    })
    .on("GET", `${RINGS}/{ring}`, (call) => {
      const { ring } = authorised(call, "cloudkms.keyRings.get");
      return { json: found(rings, "KeyRing", ring) };
    })
    .on("POST", KEYS, async (call) => {
      const { ring } = authorised(call, "cloudkms.cryptoKeys.create");
      found(rings, "KeyRing", ring);
      const { purpose = "" } = await readMembers<{ purpose?: string }>(call, { purpose: "text" });
      if (purpose !== "ENCRYPT_DECRYPT") throw notModelled(`keys of the purpose ${purpose || "(none)"}`);
      const name = `${ring}/cryptoKeys/${newName(call, "cryptoKeyId")}`;
      if (keys.has(name)) throw rpcError(409, `CryptoKey ${name} already exists.`, "ALREADY_EXISTS");
      const made = {
        name,
        purpose,
        createTime: new Date(now()).toISOString(),
        secret: randomBytes(32).toString("base64"),
      };
      return { json: shown(keys.set(name, made)) };
    })
    .on("GET", `${KEYS}/{key}`, (call) => {
      const { key } = authorised(call, "cloudkms.cryptoKeys.get");
      return { json: shown(found(keys, "CryptoKey", key)) };
    })
    .on("POST", `${KEYS}/{key}:encrypt`, async (call) => {
      const { key } = authorised(call, "cloudkms.cryptoKeyVersions.useToEncrypt");
      const { secret } = found(keys, "CryptoKey", key);
      const { plaintext = "" } = await readMembers<{ plaintext?: string }>(call, { plaintext: "text" });
      const nonce = randomBytes(12);
      const cipher = createCipheriv("aes-256-gcm", Buffer.from(secret, "base64"), nonce);
      const body = Buffer.concat([cipher.update(Buffer.from(plaintext, "base64")), cipher.final()]);
      const ciphertext = Buffer.concat([nonce, cipher.getAuthTag(), body]).toString("base64");
      return { json: { name: `${key}/cryptoKeyVersions/1`, ciphertext, protectionLevel: "SOFTWARE" } };
    })
    .on("POST", `${KEYS}/{key}:decrypt`, async (call) => {
      const { key } = authorised(call, "cloudkms.cryptoKeyVersions.useToDecrypt");
      const { secret } = found(keys, "CryptoKey", key);
      const { ciphertext = "" } = await readMembers<{ ciphertext?: string }>(call, { ciphertext: "text" });
      const data = Buffer.from(ciphertext, "base64");
      try {
        const decipher = createDecipheriv("aes-256-gcm", Buffer.from(secret, "base64"), data.subarray(0, 12));
        decipher.setAuthTag(data.subarray(12, 28));
        const plain = Buffer.concat([decipher.update(data.subarray(28)), decipher.final()]);
        return { json: { plaintext: plain.toString("base64"), protectionLevel: "SOFTWARE", usedPrimary: true } };
      } catch {
        throw rpcError(400, "Decryption failed: the ciphertext is invalid.", "INVALID_ARGUMENT");
      }
    });
}
