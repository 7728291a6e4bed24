import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { X509Certificate } from "node:crypto";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:https";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { createServerCertificate } from "../../../localcloud/tls/certificate.ts";
import { integer, oid, time } from "../../../localcloud/tls/der.ts";

const HOSTS = ["storage.googleapis.com", "www.googleapis.com", "127.0.0.1"];

test("DER of numbers, identifiers and dates", () => {
  assert.equal(integer(Buffer.from([0x80])).toString("hex"), "02020080");
  assert.equal(integer(Buffer.from([0, 0, 1])).toString("hex"), "020101");
  assert.equal(oid("1.2.840.113549.1.1.11").toString("hex"), "06092a864886f70d01010b");
  assert.equal(time(new Date("2026-11-21T08:09:10Z")).subarray(2).toString(), "261121080910Z");
  assert.equal(time(new Date("2050-01-01T00:00:00Z")).subarray(2).toString(), "20500101000000Z");
});

test("the chain is right by Node's reading", () => {
  const made = createServerCertificate(HOSTS);
  const server = new X509Certificate(made.certificate);
  const authority = new X509Certificate(made.authority);
  assert.equal(server.verify(authority.publicKey), true);
  assert.equal(authority.verify(authority.publicKey), true);
  assert.equal(server.checkIssued(authority), true);
  assert.equal(authority.ca, true);
  assert.equal(server.ca, false);
  assert.equal(server.subjectAltName, "DNS:storage.googleapis.com, DNS:www.googleapis.com, IP Address:127.0.0.1");
  assert.deepEqual(server.keyUsage, ["1.3.6.1.5.5.7.3.1"]);
  const hours = (Date.parse(server.validTo) - Date.parse(server.validFrom)) / 3_600_000;
  assert.equal(hours, 25);
  const other = createServerCertificate(HOSTS);
  assert.notEqual(other.authority, made.authority);
  assert.equal(server.verify(new X509Certificate(other.authority).publicKey), false);
  assert.doesNotMatch(made.authority, /PRIVATE/);
});

test("openssl verifies the chain", (t) => {
  if (spawnSync("openssl", ["version"]).status !== 0) return t.skip("openssl is not installed");
  const folder = mkdtempSync(join(tmpdir(), "certificate-"));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  const made = createServerCertificate(HOSTS);
  const file = (name: string, content: string) => {
    writeFileSync(join(folder, name), content);
    return join(folder, name);
  };
  const server = file("server.pem", made.certificate);
  const check = (authority: string, host: string) =>
    spawnSync(
      "openssl",
      ["verify", "-x509_strict", "-purpose", "sslserver", "-verify_hostname", host, "-CAfile", authority, server],
      { encoding: "utf8" },
    );
  const good = check(file("authority.pem", made.authority), "storage.googleapis.com");
  assert.equal(good.status, 0, good.stderr);
  assert.notEqual(check(join(folder, "authority.pem"), "example.com").status, 0);
  assert.notEqual(
    check(file("other.pem", createServerCertificate(HOSTS).authority), "storage.googleapis.com").status,
    0,
  );
});

test("Python's ssl accepts it for the right name only", async (t) => {
  if (spawnSync("python3", ["-c", "import ssl"]).status !== 0) return t.skip("python3 is not installed");
  const made = createServerCertificate(HOSTS);
  const server = createServer({ key: made.key, cert: made.certificate }, (_request, response) => response.end("ok"));
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const folder = mkdtempSync(join(tmpdir(), "certificate-"));
  t.after(() => {
    server.close();
    rmSync(folder, { recursive: true, force: true });
  });
  writeFileSync(join(folder, "authority.pem"), made.authority);
  const script = `
import socket, ssl, sys
context = ssl.create_default_context(cafile=sys.argv[1])
context.verify_flags |= ssl.VERIFY_X509_STRICT
with socket.create_connection(("127.0.0.1", int(sys.argv[2]))) as raw:
    with context.wrap_socket(raw, server_hostname=sys.argv[3]) as tls:
        print(tls.version())
`;
  const { port } = server.address() as AddressInfo;
  const { spawn } = await import("node:child_process");
  const connect = (host: string) =>
    new Promise<{ code: number | null; text: string }>((resolve) => {
      const child = spawn("python3", ["-c", script, join(folder, "authority.pem"), String(port), host]);
      let text = "";
      for (const stream of [child.stdout, child.stderr]) {
        stream.on("data", (chunk) => {
          text += chunk;
        });
      }
      child.on("close", (code) => resolve({ code, text }));
    });
  const good = await connect("www.googleapis.com");
  assert.equal(good.code, 0, good.text);
  assert.match(good.text, /TLSv1\.3/);
  const bad = await connect("compute.googleapis.com");
  assert.equal(bad.code, 1);
  assert.match(bad.text, /Hostname mismatch/);
});
