import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { type TestContext, test } from "node:test";
import { which } from "../../../localcloud/guests/command.ts";
import { debianPackage } from "../../../localcloud/services/packages/deb.ts";
import { ARCHITECTURE, GCSFUSE_VERSION, gcsfusePackage } from "../../../localcloud/services/packages/gcsfuse.ts";
import { SigningKey } from "../../../localcloud/services/packages/openpgp.ts";
import { testCloud } from "../server/local.ts";

function folder(t: TestContext): string {
  const path = mkdtempSync(join(tmpdir(), "packages-"));
  t.after(() => rmSync(path, { recursive: true }));
  return path;
}

/** A cache of packages of this test alone, in which gcsfuse's is there already: nothing is built. */
function withPackage(t: TestContext, content: string): void {
  const before = process.env.ML_TRAINING_CACHE;
  process.env.ML_TRAINING_CACHE = folder(t);
  t.after(() => {
    if (before === undefined) delete process.env.ML_TRAINING_CACHE;
    else process.env.ML_TRAINING_CACHE = before;
  });
  mkdirSync(dirname(gcsfusePackage()), { recursive: true });
  writeFileSync(gcsfusePackage(), content);
}

test("the suite names the package with its checksum, and anybody may read it", async (t) => {
  withPackage(t, "the package");
  const { local } = await testCloud(t);
  const get = async (path: string) => fetch(`${local.url}/packages/apt/${path}`);
  const list = await (await get(`dists/gcsfuse-noble/main/binary-${ARCHITECTURE}/Packages`)).text();
  const sha256 = (text: string) => createHash("sha256").update(text).digest("hex");
  assert.match(list, new RegExp(`^Package: gcsfuse\nVersion: ${GCSFUSE_VERSION}\n`));
  assert.match(list, new RegExp(`^Filename: pool/gcsfuse_${GCSFUSE_VERSION}_${ARCHITECTURE}.deb$`, "m"));
  assert.match(list, new RegExp(`^SHA256: ${sha256("the package")}$`, "m"));
  const release = await (await get("dists/gcsfuse-noble/InRelease")).text();
  assert.match(release, /^Codename: gcsfuse-noble$/m);
  const line = ` ${sha256(list)} ${list.length} main/binary-${ARCHITECTURE}/Packages`;
  assert.ok(release.split("\n").includes(line), release);
  const file = await get(`pool/gcsfuse_${GCSFUSE_VERSION}_${ARCHITECTURE}.deb`);
  assert.equal(await file.text(), "the package");
  assert.equal((await get("pool/other.deb")).status, 404);
});

test("a suite that is not there is refused by name", async (t) => {
  withPackage(t, "the package");
  const { local } = await testCloud(t);
  const answer = await fetch(`${local.url}/packages/apt/dists/cloud-sdk-noble/InRelease`);
  assert.equal(answer.status, 501);
  assert.match(await answer.text(), /does not model the suite cloud-sdk-noble of packages\.cloud\.google\.com/);
});

test("GnuPG accepts the key's signatures and no others", (t) => {
  if (!which("gpgv") || !which("gpg")) return t.skip("GnuPG is not installed");
  const path = folder(t);
  const key = new SigningKey(SigningKey.make(), 1_700_000_000, "Test <test@localhost>");
  const file = (name: string, content: string | Buffer) => {
    writeFileSync(join(path, name), content);
    return join(path, name);
  };
  const armored = file("key.asc", key.publicKey());
  const keyring = file("key.gpg", execFileSync("gpg", ["--homedir", path, "--dearmor", "-o", "-", armored]));
  const verify = (text: string) =>
    execFileSync("gpgv", ["--keyring", keyring, file("signed", text)], { stdio: "pipe", encoding: "utf8" });
  const signed = key.clearSign("Suite: one\n-dashes\ntrailing  \n\nend\n", 1_750_000_000);
  verify(signed);
  assert.throws(() => verify(signed.replace("Suite: one", "Suite: two")), /BAD signature/);
});

test("dpkg reads the package that is written", (t) => {
  if (!which("dpkg-deb")) return t.skip("dpkg is not installed");
  const path = join(folder(t), "x.deb");
  const control = "Package: x\nVersion: 1\nArchitecture: all\nMaintainer: m <m@localhost>\nDescription: d\n";
  const members = [
    { path: "usr/", mode: 0o755 },
    { path: "usr/x", content: Buffer.from("odd"), mode: 0o755 },
  ];
  writeFileSync(path, debianPackage(control, members));
  assert.equal(
    execFileSync("dpkg-deb", ["-f", path, "Package", "Version"], { encoding: "utf8" }),
    "Package: x\nVersion: 1\n",
  );
  assert.match(
    execFileSync("dpkg-deb", ["-c", path], { encoding: "utf8" }),
    /^-rwxr-xr-x root\/root +3 .* \.\/usr\/x$/m,
  );
});
