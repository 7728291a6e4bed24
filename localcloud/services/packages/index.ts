import { createHash } from "node:crypto";
import { createReadStream, existsSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { basename, join } from "node:path";
import { gzipSync } from "node:zlib";
import type { Cloud } from "../../core/cloud.ts";
import { GoogleError, notModelled } from "../../core/errors.ts";
import { type Reply, Router } from "../../core/http.ts";
import { ARCHITECTURE, ensureGcsfuse, gcsfuseControl, gcsfusePackage } from "./gcsfuse.ts";
import { SigningKey } from "./openpgp.ts";

/** The releases for which Google keeps a suite `gcsfuse-…` (shared facts of November 2026, from Google's own tests). */
const CODENAMES = ["bookworm", "trixie", "jammy", "noble"];
const LIST = `main/binary-${ARCHITECTURE}/Packages`;

/**
 * Google's apt host (`packages.cloud.google.com`), as far as machines of ours use it: the suites of gcsfuse, signed with
 * this cloud's own key. The package is the real gcsfuse; it is built when it is first asked for, and until then the
 * suite answers 503.
 */
export function packagesService(cloud: Cloud): Router {
  const router = new Router();
  const key = signingKey(cloud);
  let building = false;
  let problem: Error | undefined;

  const built = (): string => {
    const path = gcsfusePackage();
    if (existsSync(path)) return path;
    if (problem) throw notModelled(`gcsfuse: ${problem.message}`);
    if (!building) {
      building = true;
      ensureGcsfuse(cloud.log)
        .catch((error: Error) => {
          problem = error;
        })
        .finally(() => {
          building = false;
        });
    }
    throw new GoogleError(503, "backendError", "gcsfuse is being built from its Go modules; try again in a minute.");
  };
  const suite = (name: string | undefined): string => {
    if (CODENAMES.some((codename) => name === `gcsfuse-${codename}`)) return name as string;
    throw notModelled(`the suite ${name} of packages.cloud.google.com; modelled: gcsfuse-{${CODENAMES.join(",")}}`);
  };

  router.on("GET", "/packages/apt/doc/apt-key.gpg", () => text(key.publicKey()));
  router.on("GET", "/packages/apt/dists/{suite}/InRelease", (call) => {
    const name = suite(call.params.suite);
    return text(key.clearSign(release(name, built(), cloud.now()), Math.floor(cloud.now() / 1000)));
  });
  for (const ending of ["", ".gz"]) {
    router.on("GET", `/packages/apt/dists/{suite}/main/{architecture}/Packages${ending}`, (call) => {
      suite(call.params.suite);
      const list = packages(built());
      return { body: ending ? gzipSync(list) : list, headers: { "content-type": "application/octet-stream" } };
    });
  }
  router.on("GET", "/packages/apt/pool/{file}", (call) => {
    const path = built();
    if (call.params.file !== basename(path)) throw new GoogleError(404, "notFound", "Not Found");
    const headers = { "content-type": "application/vnd.debian.binary-package" };
    return { body: createReadStream(path), headers: { ...headers, "content-length": String(statSync(path).size) } };
  });
  return router;
}

function text(body: string): Reply {
  return { body, headers: { "content-type": "text/plain; charset=utf-8" } };
}

/** What a suite holds: the lists with their checksums. */
function release(suite: string, path: string, now: number): string {
  const list = packages(path);
  const sums = [
    [LIST, list],
    [`${LIST}.gz`, gzipSync(list)],
  ] as const;
  return [
    "Origin: packages.cloud.google.com (local cloud)",
    "Label: gcsfuse",
    `Suite: ${suite}`,
    `Codename: ${suite}`,
    `Date: ${new Date(now).toUTCString().replace("GMT", "UTC")}`,
    `Architectures: ${ARCHITECTURE}`,
    "Components: main",
    "SHA256:",
    ...sums.map(([name, content]) => ` ${sha256(content)} ${content.length} ${name}`),
    "",
  ].join("\n");
}

function packages(path: string): Buffer {
  const content = readFileSync(path);
  const facts = [`Filename: pool/${basename(path)}`, `Size: ${content.length}`, `SHA256: ${sha256(content)}`];
  return Buffer.from(`${gcsfuseControl()}${facts.join("\n")}\n\n`);
}

function sha256(content: Buffer): string {
  return createHash("sha256").update(content).digest("hex");
}

/** The key lives as long as the cloud's state: a machine trusts the one that it met first. */
function signingKey(cloud: Cloud): SigningKey {
  const file = join(cloud.state.directory("packages"), "signing-key.json");
  if (!existsSync(file)) {
    const made = { pem: SigningKey.make(), created: Math.floor(cloud.now() / 1000) };
    writeFileSync(file, JSON.stringify(made), { mode: 0o600 });
  }
  const { pem, created } = JSON.parse(readFileSync(file, "utf8")) as { pem: string; created: number };
  return new SigningKey(pem, created, "Local cloud (packages) <packages@localhost>");
}
