import assert from "node:assert/strict";
import { spawn, spawnSync } from "node:child_process";
import { cpSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, dirname, join } from "node:path";
import { test } from "node:test";
import { findInputs } from "../cli/rehearse/inputs.ts";
import { cacheFolder, findPulumi } from "../engine/cli.ts";
import { providerEnvironment } from "../engine/endpoints.ts";
import { startLanguageHost } from "../engine/languagehost/server.ts";
import { startGcpProvider } from "../engine/providers/gcp/server.ts";
import { type Daemon, daemonStatus, describeFile, stopDaemon } from "../localcloud/daemon.ts";
import { leftovers } from "../localcloud/leftovers.ts";
import { startLocalCloud } from "../localcloud/server.ts";
import { REPOSITORY } from "./helpers/shell.ts";

// The README's blocks, as a reader pastes them into a shell. A comment before a block says that it can be run here.

/** Longest for the whole block: pip alone may take a minute where the network is slow. */
const LIMIT_MS = 8 * 60_000;

function block(name: string): string {
  const readme = readFileSync(join(REPOSITORY, "README.md"), "utf8");
  const [, text] = new RegExp(`<!-- run: ${name} -->\n\`\`\`sh\n([\\s\\S]*?)\`\`\``).exec(readme) ?? [];
  assert.ok(text, `README.md has a block marked <!-- run: ${name} -->`);
  return text;
}

test("README: the same on this machine", { timeout: LIMIT_MS }, async (t) => {
  if (process.platform === "win32") return t.skip("the block is for a POSIX shell");
  const folder = mkdtempSync(join(tmpdir(), "mlt-quickstart-"));
  const clone = copyOfTheRepository(join(folder, "ml-training"));
  const real = inputsBeside(folder);
  const state = join(clone, ".mlt", "local");

  // What a normal Pulumi installation brings along: Node's language host, and Google's provider.
  const host = await startLanguageHost();
  const provider = await startGcpProvider(variablesOfTheShell(state));
  t.after(async () => {
    await host.close();
    await provider.close();
    await stopDaemon(state); // there only after a failure in the middle of the block
    rmSync(folder, { recursive: true, force: true });
  });
  const { path: pulumi } = await findPulumi();
  const env = {
    ...process.env,
    PATH: [dirname(process.execPath), dirname(pulumi), process.env.PATH].join(delimiter),
    PULUMI_DEBUG_LANGUAGES: host.attach,
    PULUMI_DEBUG_PROVIDERS: provider.attach,
    // HOME stays: pip's settings lie there. What the commands write for their user goes elsewhere.
    ML_TRAINING_CACHE: cacheFolder(),
    PULUMI_HOME: join(folder, "pulumi"),
    XDG_CACHE_HOME: join(folder, "cache"),
    XDG_CONFIG_HOME: join(folder, "config"),
    npm_config_cache: join(folder, "npm"),
  };
  const { code, output } = await runIn(clone, block("local"), env);
  assert.equal(code, 0, output);

  const fetched = readdirSync(join(clone, "model"), { recursive: true, encoding: "utf8" });
  const metricsFile = fetched.find((file) => file.endsWith("metrics.json"));
  assert.ok(metricsFile && fetched.some((file) => file.endsWith(".joblib")), `the model is here: ${fetched}`);
  const metrics = JSON.parse(readFileSync(join(clone, "model", metricsFile), "utf8")) as Record<string, unknown>;
  t.diagnostic(`metrics ${JSON.stringify(metrics)}`);
  if (real) assert.ok(Number(metrics.test_accuracy) > 0.85, JSON.stringify(metrics));
  else assert.equal(metrics.synthetic, true);

  assert.equal(await daemonStatus(state), undefined, "the local cloud has stopped");
  assert.deepEqual(processesOf(folder), []);
  const after = await startLocalCloud({ stateFolder: state });
  try {
    assert.deepEqual((await leftovers(after.operatorUrl, "local-project")).resources, {});
  } finally {
    await after.close();
  }
  assert.deepEqual(
    readdirSync(clone).filter((name) => /^Pulumi\..+\.yaml$/.test(name)),
    ["Pulumi.dev.yaml"],
    "the stack's settings went with the stack",
  );
});

/** The tracked files, with the installed packages beside them. */
function copyOfTheRepository(clone: string): string {
  const listed = spawnSync("git", ["ls-files", "-z", "--cached", "--others", "--exclude-standard"], {
    cwd: REPOSITORY,
  });
  const files = listed.status === 0 ? listed.stdout.toString().split("\0").filter(Boolean) : readdirSync(REPOSITORY);
  for (const file of files.filter((name) => !["node_modules", ".mlt"].includes(name))) {
    cpSync(join(REPOSITORY, file), join(clone, file), { recursive: true });
  }
  symlinkSync(join(REPOSITORY, "node_modules"), join(clone, "node_modules"));
  return clone;
}

/** `../data/census`, as the block has it: the real files, or a file that is none. Whether they are real. */
function inputsBeside(folder: string): boolean {
  const [found] = findInputs(["census"]);
  const census = join(folder, "data", "census");
  mkdirSync(census, { recursive: true });
  if (found?.folder)
    for (const name of ["adult.data", "adult.test"]) cpSync(join(found.folder, name), join(census, name));
  else writeFileSync(join(census, "NO-DATA.txt"), "The data is not on this computer.\n");
  return found?.folder !== undefined;
}

/** Pulumi starts a provider with its shell's variables. This one is there before the block has made them: it looks. */
function variablesOfTheShell(state: string): Record<string, string> {
  return new Proxy<Record<string, string>>(
    {},
    {
      get(_, name) {
        const { url, token } = JSON.parse(readFileSync(describeFile(state), "utf8")) as Daemon;
        return providerEnvironment({ url, accessToken: token })[String(name)];
      },
    },
  );
}

function runIn(
  folder: string,
  script: string,
  env: NodeJS.ProcessEnv,
): Promise<{ code: number | null; output: string }> {
  return new Promise((resolve, reject) => {
    const child = spawn("bash", ["-euxo", "pipefail", "-c", script], {
      cwd: folder,
      env,
      stdio: ["ignore", "pipe", "pipe"],
    });
    let output = "";
    for (const stream of [child.stdout, child.stderr]) {
      stream.setEncoding("utf8").on("data", (text: string) => {
        output += text;
        if (process.env.MLT_TEST_OUTPUT === "1") process.stderr.write(text);
      });
    }
    child.once("error", reject);
    child.once("exit", (code) => resolve({ code, output }));
  });
}

/** Command lines of processes that have to do with a folder. */
function processesOf(folder: string): string[] {
  if (process.platform !== "linux") return [];
  const lines: string[] = [];
  for (const pid of readdirSync("/proc").filter((name) => /^\d+$/.test(name))) {
    try {
      const line = readFileSync(`/proc/${pid}/cmdline`, "latin1").replaceAll("\0", " ");
      if (line.includes(folder)) lines.push(line);
    } catch {
      // ended while it was looked at
    }
  }
  return lines;
}
