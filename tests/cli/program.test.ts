import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import module from "node:module";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { duration, fields, money, plain, size, table } from "../../cli/output/print.ts";

const MLT = fileURLToPath(new URL("../../cli/mlt.js", import.meta.url));

function mlt(...args: string[]): { code: number | null; stdout: string; stderr: string } {
  const { status, stdout, stderr } = spawnSync(process.execPath, [MLT, ...args], { encoding: "utf8", timeout: 60_000 });
  return { code: status, stdout, stderr };
}

test("--help lists every command and ends with 0", () => {
  const { code, stdout, stderr } = mlt("--help");
  assert.deepEqual([code, stderr], [0, ""]);
  for (const name of [
    "use",
    "doctor",
    "put",
    "ls",
    "fetch",
    "train",
    "runs",
    "status",
    "logs",
    "cancel",
    "rehearse",
    "local",
  ]) {
    assert.match(stdout, new RegExp(`^ {2}${name}\\b`, "m"));
  }
});

test("--version is the package's", () => {
  const { version } = JSON.parse(readFileSync(new URL("../../package.json", import.meta.url), "utf8")) as {
    version: string;
  };
  assert.deepEqual(mlt("--version"), { code: 0, stdout: `${version}\n`, stderr: "" });
});

test("every command of an environment takes --json and --environment", () => {
  for (const name of ["use", "doctor", "put", "ls", "fetch", "train", "runs", "status", "logs", "cancel"]) {
    const { code, stdout } = mlt(name, "--help");
    assert.equal(code, 0);
    assert.match(stdout, /--json/, name);
    assert.match(stdout, /--environment <bucket>/, name);
  }
});

const USAGE: [string[], string][] = [
  [["trian"], "error: unknown command 'trian'\n(Did you mean train?)\n"],
  [["runs", "--jsn"], "error: unknown option '--jsn'\n(Did you mean --json?)\n"],
  [["put", "data"], "error: missing required argument 'path'\n"],
  [["runs", "--limit", "x"], "error: option '--limit <count>' argument 'x' is invalid. Must be a count as a number.\n"],
];
for (const [args, stderr] of USAGE) {
  test(`mlt ${args.join(" ")} is a usage error: 64`, () => {
    assert.deepEqual(mlt(...args), { code: 64, stdout: "", stderr });
  });
}

test("nothing asked: the help on stderr, and 64", () => {
  const { code, stdout, stderr } = mlt();
  assert.deepEqual([code, stdout], [64, ""]);
  assert.match(stderr, /^Usage: mlt /);
});

test("a reader that has seen enough (mlt --help | head -1) makes no stack", (t) => {
  if (process.platform === "win32") return t.skip("sh is not there on Windows");
  const line = 'for i in 1 2 3; do "$0" "$1" train --help; done | head -n 1';
  const { stdout, stderr } = spawnSync("sh", ["-c", line, process.execPath, MLT], { encoding: "utf8" });
  assert.deepEqual([stdout, stderr], ["Usage: mlt train [options] <package> [-- arguments of the trainer]\n", ""]);
});

test("the help loads neither clients nor the schema library", (t) => {
  if (!("registerHooks" in module)) return t.skip("this Node cannot tell what it loads (module.registerHooks)");
  const hook =
    'import { registerHooks } from "node:module";' +
    'registerHooks({ load(url, context, next) { process._rawDebug("LOAD " + url); return next(url, context); } });';
  const { stdout, stderr } = spawnSync(process.execPath, ["--import", `data:text/javascript,${hook}`, MLT, "--help"], {
    encoding: "utf8",
    timeout: 60_000,
  });
  assert.match(stdout, /^Usage: mlt/);
  const loaded = stderr.split("\n").filter((line) => line.startsWith("LOAD "));
  assert.ok(
    loaded.some((line) => line.endsWith("/cli/program.ts")),
    stderr,
  );
  const heavy = /@google|google-auth|\/zod\/|\/yaml\/|\/localcloud\/|\/engine\/|@pulumi/;
  assert.deepEqual(
    loaded.filter((line) => heavy.test(line)),
    [],
  );
});

test("tables and fields are aligned and end without spaces", () => {
  assert.equal(
    table(
      ["A", "LONG"],
      [
        ["aaa", "b"],
        ["c", ""],
      ],
    ),
    "A    LONG\naaa  b\nc",
  );
  assert.equal(
    fields([
      ["a", "1"],
      ["none", undefined],
      ["long", "2"],
    ]),
    "a     1\nlong  2",
  );
});

test("durations and sizes are short", () => {
  assert.deepEqual([0, 119_000, 120_000, 7_199_000, 7_200_000, 2 * 86_400_000].map(duration), [
    "0 s",
    "119 s",
    "2 min",
    "119 min",
    "2 h",
    "2 d",
  ]);
  assert.deepEqual([0, 1023, 1024, 9 * 1024 ** 2, 5 * 1024 ** 4].map(size), [
    "0 B",
    "1023 B",
    "1.0 KiB",
    "9.0 MiB",
    "5.0 TiB",
  ]);
});

test("money has three digits where it is little", () => {
  const usd = (amount: number) => money({ amount, currency: "USD" });
  assert.deepEqual([0, 0.0421, 12.345].map(usd), ["under 0.001 USD", "about 0.042 USD", "about 12.35 USD"]);
});

test("text from elsewhere cannot drive the terminal", () => {
  assert.equal(plain("a\u001b[31mb\nc\u0007"), "a [31mb c ");
});
