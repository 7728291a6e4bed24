import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { copyFileSync, mkdirSync, symlinkSync } from "node:fs";
import { dirname, join } from "node:path";
import { after, before, test } from "node:test";
import { promisify } from "node:util";
import { findPulumi } from "../../engine/cli.ts";
import { providerEnvironment } from "../../engine/endpoints.ts";
import { type LanguageHost, startLanguageHost, words } from "../../engine/languagehost/server.ts";
import { type ProviderServer, startGcpProvider } from "../../engine/providers/gcp/server.ts";
import { createWorld, type World } from "./world.ts";

// `pulumi` itself in this folder, as a user types it: Pulumi.yaml, index.ts and Node's own type stripping are what runs.

const repository = dirname(dirname(import.meta.dirname));
let folder: string;
let world: World;
let host: LanguageHost;
let provider: ProviderServer;
before(async () => {
  world = await createWorld();
  // Pulumi writes a stack's settings beside Pulumi.yaml: a folder of links keeps them out of the repository.
  folder = join(world.folder, "project");
  mkdirSync(join(folder, "state"), { recursive: true });
  copyFileSync(join(repository, "Pulumi.yaml"), join(folder, "Pulumi.yaml"));
  for (const name of ["package.json", "index.ts", "cli", "node_modules"]) {
    symlinkSync(join(repository, name), join(folder, name));
  }
  host = await startLanguageHost();
  provider = await startGcpProvider(providerEnvironment({ url: world.cloud.operatorUrl }));
});
after(async () => {
  await host.close();
  await provider.close();
  await world.close();
});

async function pulumi(...args: string[]): Promise<string> {
  const { path } = await findPulumi();
  const env = {
    ...process.env,
    PULUMI_BACKEND_URL: `file://${join(folder, "state")}`,
    PULUMI_CONFIG_PASSPHRASE: "test",
    PULUMI_SKIP_UPDATE_CHECK: "true",
    PULUMI_DEBUG_PROVIDERS: provider.attach,
    PULUMI_DEBUG_LANGUAGES: host.attach,
  };
  const options = ["--non-interactive", "--color", "never", "--stack", "plain"];
  const { stdout } = await promisify(execFile)(path, [...args, ...options], { cwd: folder, env });
  return stdout;
}

test("pulumi up, preview and destroy of this repository's folder", async () => {
  await pulumi("stack", "init");
  await pulumi("config", "set", "gcp:project", world.cloud.project);
  const up = await pulumi("up", "--yes", "--skip-preview");
  assert.match(up, /\+ \d+ created/);
  assert.equal((await world.left())["storage.buckets"]?.length, 2);
  await pulumi("preview", "--expect-no-changes");
  await pulumi("destroy", "--yes", "--skip-preview");
  assert.deepEqual(await world.left(), {});
});

test("a setting that is wrong ends the preview with one clear message and no stack trace", async () => {
  await pulumi("config", "set", "mltraining:environment", "ab");
  const error = await pulumi("preview").then(
    () => assert.fail("the preview should have failed"),
    (failed: { stdout: string }) => failed.stdout,
  );
  assert.match(error, /mltraining:environment .*got "ab"/);
  assert.doesNotMatch(error, /\n\s+at /);
});

test("node's arguments are parted as a shell does", () => {
  assert.deepEqual(words("--import ./a.js"), ["--import", "./a.js"]);
  assert.deepEqual(words(`--import "./a b.js" 'c d'`), ["--import", "./a b.js", "c d"]);
});
