import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { KUBEFLOW_RELEASES } from "../../catalog/kubeflow.ts";
import { lock } from "../../cli/kubeflow/lock.ts";
import { lockedDigests, readLock, writeLock } from "../../kubeflow/lockFile.ts";
import { askDigest, askDigests } from "../../kubeflow/registry.ts";
import { RELEASE } from "./samples.ts";

interface Registry {
  origin: string;
  /** Manifests by `repository:tag`; what is not there is 404. */
  manifests: Map<string, string>;
  /** Requests, as `GET /path`, with `+token` where one was sent. */
  seen: string[];
  /** Header that names another digest than the manifest's. */
  lie?: string;
}

/** A registry on this machine that gives manifests only to who has asked for a token. */
async function registry(t: TestContext): Promise<Registry> {
  const state: Registry = { origin: "", manifests: new Map(), seen: [] };
  const server = createServer((request, response) => {
    const url = new URL(request.url ?? "", "http://x");
    const token = request.headers.authorization;
    state.seen.push(`${request.method} ${url.pathname}${url.search}${token ? " +token" : ""}`);
    if (url.pathname === "/token") {
      response.end(JSON.stringify({ token: `for-${url.searchParams.get("scope")}` }));
      return;
    }
    const [, repository, tag] = /^\/v2\/(.+)\/manifests\/(.+)$/.exec(url.pathname) ?? [];
    const scope = `repository:${repository}:pull`;
    if (token !== `Bearer for-${scope}`) {
      const realm = `${state.origin}/token`;
      response.writeHead(401, { "www-authenticate": `Bearer realm="${realm}",service="test",scope="${scope}"` }).end();
      return;
    }
    const manifest = state.manifests.get(`${repository}:${tag}`);
    if (!manifest) return void response.writeHead(404).end();
    assert.match(String(request.headers.accept), /^application\/vnd\.oci\.image\.index\.v1\+json, /);
    response.setHeader("docker-content-digest", state.lie ?? digestOf(manifest));
    response.end(manifest);
  });
  await new Promise<void>((done) => server.listen(0, "127.0.0.1", done));
  t.after(() => server.close());
  state.origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  return state;
}

function digestOf(text: string): string {
  return `sha256:${createHash("sha256").update(text).digest("hex")}`;
}

const HOSTS = ["docker.io", "ghcr.io", "gcr.io", "quay.io"];
const origins = ({ origin }: Registry) => Object.fromEntries(HOSTS.map((host) => [host, origin]));

function fill({ manifests }: Registry): Record<string, string> {
  const digests: Record<string, string> = {};
  for (const { pinned } of KUBEFLOW_RELEASES["2.17.0"]?.images ?? []) {
    const manifest = JSON.stringify({ of: pinned });
    manifests.set(pinned.slice(pinned.indexOf("/") + 1), manifest);
    digests[pinned] = digestOf(manifest);
  }
  return digests;
}

test("a registry is asked for a token where it wants one, and the digest is computed", async (t) => {
  const server = await registry(t);
  server.manifests.set("library/mysql:8.4.11", "{}");
  const digest = await askDigest("docker.io/library/mysql:8.4.11", { origins: origins(server) });
  assert.equal(digest, digestOf("{}"));
  assert.deepEqual(server.seen, [
    "GET /v2/library/mysql/manifests/8.4.11",
    "GET /token?service=test&scope=repository%3Alibrary%2Fmysql%3Apull",
    "GET /v2/library/mysql/manifests/8.4.11 +token",
  ]);
});

test("what is not pinned, not there, or not what the registry says it is, gets no digest", async (t) => {
  const server = await registry(t);
  server.manifests.set("a/b:1.0.0", "{}");
  const options = { origins: origins(server) };
  for (const image of ["ghcr.io/a/b", "ghcr.io/a/b:latest"]) {
    await assert.rejects(askDigest(image, options), {
      message: `${image} names no release of an image; only such a name has one digest for good`,
    });
  }
  assert.deepEqual(server.seen, [], "a name that is not pinned is not asked for");
  await assert.rejects(askDigest("ghcr.io/a/b:2.0.0", options), { message: "ghcr.io has no a/b:2.0.0" });
  server.lie = `sha256:${"0".repeat(64)}`;
  await assert.rejects(askDigest("ghcr.io/a/b:1.0.0", options), {
    message: `ghcr.io says that a/b:1.0.0 is ${server.lie}, and sends ${digestOf("{}")}; nothing is taken`,
  });
  await assert.rejects(askDigests(["ghcr.io/a/b:2.0.0", "quay.io/c/d:1.0.0"], options), {
    message:
      "not every image has a digest; the lock file stays as it is:\n  ghcr.io has no a/b:2.0.0\n  quay.io has no c/d:1.0.0",
  });
});

test("a token is asked for by HTTPS only", async (t) => {
  const server = createServer((_request, response) => {
    response.writeHead(401, { "www-authenticate": 'Basic realm="x"' }).end();
  });
  await new Promise<void>((done) => server.listen(0, "127.0.0.1", done));
  t.after(() => server.close());
  const origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  await assert.rejects(askDigest("ghcr.io/a/b:1.0.0", { origins: { "ghcr.io": origin } }), {
    message: "the registry of ghcr.io/a/b:1.0.0 asks for a login that this program does not know",
  });
});

test("mlt kubeflow lock writes every image of the release, and tells what has moved", async (t) => {
  const server = await registry(t);
  const digests = fill(server);
  const folder = mkdtempSync(join(tmpdir(), "mlt-lock-"));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  const file = join(folder, "images.lock.json");
  const around = { file, origins: origins(server) };
  const out = t.mock.method(console, "log", () => {});
  const err = t.mock.method(console, "error", () => {});
  const printed = (mock: typeof out) => mock.mock.calls.map(({ arguments: [line] }) => String(line));

  assert.equal(await lock({ check: true }, around), 1);
  assert.equal(existsSync(file), false);
  assert.equal(await lock({}, around), 0);
  const written = readLock(file);
  assert.deepEqual(written?.images, digests);
  assert.equal(written?.version, "2.17.0");
  assert.match(
    printed(out).at(-1) ?? "",
    /^16 images of Kubeflow Pipelines 2\.17\.0, 16 changed; written to .*images\.lock\.json\.$/,
  );
  assert.equal(await lock({ check: true }, around), 0);

  const mysql = "docker.io/library/mysql:8.4.11";
  server.manifests.set("library/mysql:8.4.11", "another");
  const before = readFileSync(file, "utf8");
  assert.equal(await lock({ check: true }, around), 1);
  assert.equal(readFileSync(file, "utf8"), before);
  assert.deepEqual(printed(err), [
    `${mysql} was ${digests[mysql]}: a release's tag should stay where it is; look why before you go on`,
  ]);
  assert.equal(await lock({}, around), 0);
  assert.equal(readLock(file)?.images[mysql], digestOf("another"));

  server.manifests.delete("library/mysql:8.4.11");
  const kept = readFileSync(file, "utf8");
  await assert.rejects(
    lock({}, around),
    /not every image has a digest.*\n {2}docker\.io has no library\/mysql:8\.4\.11$/,
  );
  assert.equal(readFileSync(file, "utf8"), kept);
  await assert.rejects(lock({ version: "1.0.0" }, around), /there is no release "1\.0\.0"/);
});

test("a lock file is of the release that is installed, whole and readable, or refused", (t) => {
  const folder = mkdtempSync(join(tmpdir(), "mlt-lock-"));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  const file = join(folder, "images.lock.json");
  assert.deepEqual(lockedDigests(RELEASE, file), {});
  const digest = digestOf("x");
  const images = Object.fromEntries(RELEASE.images.map(({ pinned }) => [pinned, digest]));
  writeLock({ schema: 1, version: "9.9.9", asked: "2026-11-21", images }, file);
  assert.deepEqual(lockedDigests(RELEASE, file), images);
  const again = "write it anew with: npx mlt kubeflow lock";
  const { "docker.io/library/mysql:8.4.11": _mysql, ...fewer } = images;
  writeLock({ schema: 1, version: "9.9.9", asked: "2026-11-21", images: fewer }, file);
  assert.throws(() => lockedDigests(RELEASE, file), {
    message: `${file} lacks docker.io/library/mysql:8.4.11; ${again}`,
  });
  writeLock({ schema: 1, version: "1.0.0", asked: "2026-11-21", images }, file);
  assert.throws(() => lockedDigests(RELEASE, file), {
    message: `${file} is of Kubeflow Pipelines 1.0.0, wanted is 9.9.9; ${again}`,
  });
  writeFileSync(file, JSON.stringify({ schema: 1, version: "9.9.9", asked: "today", images: {} }));
  assert.throws(
    () => lockedDigests(RELEASE, file),
    (error: Error) =>
      error.message.startsWith(`${file} is no lock file of images: `) && error.message.endsWith(`; ${again}`),
  );
});
