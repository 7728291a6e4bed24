import {
  cpSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { findPulumi } from "../engine/cli.ts";
import { startLanguageHost } from "../engine/languagehost/server.ts";
import { startGcpProvider } from "../engine/providers/gcp/server.ts";
import { median, type Row, type Run, timed } from "./measure.ts";

// What `pulumi preview` costs after an edit, this program as it is against the same program as Pulumi's default
// TypeScript template would have it. Both are copies in a folder of their own, both previews plan the whole of a new
// stack with the same engine, the same attached provider and the same language host, in turns, so that a busy moment of
// the machine hits both. Before each preview a line of index.ts is changed: nothing that was compiled for the file
// before can be used.
//
// The template's way is made from this program mechanically: CommonJS, `import * as gcp from "@pulumi/gcp"` with the
// classes taken from it, relative imports without their ending, `__filename` for `import.meta.url`, the template's
// compiler options, and Pulumi's own ts-node, which checks types. Its compiler is this project's TypeScript, newer than
// the template's. Nothing else differs. Counted: the engine and the program, that is, every process that the command
// starts; not the attached provider and language host, which are the same for both (the real ones are Go programs).

const REPOSITORY = dirname(import.meta.dirname);
const PARTS = [
  "index.ts",
  "components",
  "catalog",
  "training",
  "startup-scripts",
  "cli/pulumi.js",
  "cli/typescript.js",
  "cli/strip-types.js",
];
const RUNS = 5;

export async function previewRows(progress: (line: string) => void): Promise<Row[]> {
  const folder = mkdtempSync(join(tmpdir(), "mlt-bench-"));
  const host = await startLanguageHost();
  const provider = await startGcpProvider();
  try {
    const cli = await findPulumi(progress);
    const ways = { own: ownWay(join(folder, "own")), template: templateWay(join(folder, "template")) };
    const env = (way: string) => ({
      ...process.env,
      PULUMI_BACKEND_URL: `file://${state(way)}`,
      PULUMI_CONFIG_PASSPHRASE: "bench",
      PULUMI_SKIP_UPDATE_CHECK: "true",
      PULUMI_DEBUG_LANGUAGES: host.attach,
      PULUMI_DEBUG_PROVIDERS: provider.attach,
    });
    const state = (way: string) => {
      const path = `${way}-state`;
      mkdirSync(path, { recursive: true });
      return path;
    };
    const call = async (way: string, args: string[], memory: boolean): Promise<Run> => {
      const run = await timed(cli.path, [...args, "--non-interactive", "--color", "never"], {
        cwd: way,
        env: env(way),
        memory,
      });
      if (run.code !== 0) throw new Error(`pulumi ${args[0]} in ${way} ended with ${run.code}:\n${run.output}`);
      return run;
    };
    const measured: Record<keyof typeof ways, Run[]> = { own: [], template: [] };
    for (const way of Object.values(ways)) {
      await call(way, ["stack", "init", "bench"], false);
      await call(way, ["config", "set", "gcp:project", "bench-project"], false);
    }
    for (let round = 0; round <= RUNS; round++) {
      for (const [name, way] of Object.entries(ways) as [keyof typeof ways, string][]) {
        edit(way, round);
        const run = await call(way, ["preview", "--stack", "bench"], true);
        progress(`preview, ${name}: ${run.seconds.toFixed(2)} s, ${run.peakMb?.toFixed(0) ?? "?"} MB`);
        // The first round warms the disk's cache for both.
        if (round > 0) measured[name].push(run);
      }
    }
    return rows(measured.own, measured.template);
  } finally {
    await host.close();
    await provider.close();
    rmSync(folder, { recursive: true, force: true });
  }
}

function rows(own: Run[], template: Run[]): Row[] {
  const seconds = (runs: Run[]) => median(runs.map((run) => run.seconds));
  // Round by round: what else the machine does in a round slows both ways.
  const time = median(own.map((run, round) => run.seconds / (template[round]?.seconds ?? Number.NaN)));
  const largest = ratio(own, template, (run) => run.largestMb);
  const all = ratio(own, template, (run) => run.peakMb);
  return [
    {
      measure: "pulumi preview after an edit, time",
      value: `${time.toFixed(2)} x (${seconds(own).toFixed(2)} s : ${seconds(template).toFixed(2)} s)`,
      target: "<= 0.35 x",
      met: time <= 0.35,
      note: `this program, here : default template's way; median of ${RUNS}`,
    },
    {
      measure: "pulumi preview after an edit, peak memory",
      value: largest.value,
      target: "<= 0.3 x",
      met: Number.isNaN(largest.times) ? undefined : largest.times <= 0.3,
      note: "the largest process, as /usr/bin/time counts",
    },
    {
      measure: "the same, all processes at one moment",
      value: all.value,
      target: "-",
      note: "with the engine, which is the same for both",
    },
  ];
}

function ratio(own: Run[], template: Run[], of: (run: Run) => number | undefined): { times: number; value: string } {
  const middle = (runs: Run[]) => median(runs.map((run) => of(run) ?? Number.NaN));
  const times = middle(own) / middle(template);
  const value = `${times.toFixed(2)} x (${middle(own).toFixed(0)} MB : ${middle(template).toFixed(0)} MB)`;
  return { times, value: Number.isNaN(times) ? "no /proc" : value };
}

function copyParts(folder: string): void {
  mkdirSync(join(folder, "cli"), { recursive: true });
  for (const part of PARTS) cpSync(join(REPOSITORY, part), join(folder, part), { recursive: true });
  symlinkSync(join(REPOSITORY, "node_modules"), join(folder, "node_modules"), "dir");
}

function ownWay(folder: string): string {
  copyParts(folder);
  for (const file of ["Pulumi.yaml", "package.json"]) cpSync(join(REPOSITORY, file), join(folder, file));
  return folder;
}

function templateWay(folder: string): string {
  copyParts(folder);
  const project = readFileSync(join(REPOSITORY, "Pulumi.yaml"), "utf8");
  writeFileSync(join(folder, "Pulumi.yaml"), project.replace(/^runtime:\n(?: .*\n)+/m, "runtime: nodejs\n"));
  writeFileSync(join(folder, "package.json"), JSON.stringify({ name: "bench", main: "index.ts" }));
  const compilerOptions = {
    strict: true,
    outDir: "bin",
    target: "es2023",
    module: "nodenext",
    moduleResolution: "nodenext",
    sourceMap: true,
    experimentalDecorators: true,
    pretty: true,
    noFallthroughCasesInSwitch: true,
    noImplicitReturns: true,
    forceConsistentCasingInFileNames: true,
    skipLibCheck: true,
    types: ["node"],
  };
  writeFileSync(join(folder, "tsconfig.json"), JSON.stringify({ compilerOptions, files: ["index.ts"] }));
  for (const file of sources(folder)) writeFileSync(file, asTemplate(readFileSync(file, "utf8")));
  return folder;
}

function sources(folder: string): string[] {
  return readdirSync(folder).flatMap((name) => {
    const path = join(folder, name);
    if (name === "node_modules") return [];
    return statSync(path).isDirectory() ? sources(path) : name.endsWith(".ts") ? [path] : [];
  });
}

/** One file of this program as the default template would have it. */
export function asTemplate(source: string): string {
  let usesGcp = false;
  const rewritten = source
    .replaceAll(
      /^import \{([^}]*)\} from "@pulumi\/gcp\/(\w+)\/\w+\.js";$/gm,
      (_all, names: string, service: string) => {
        usesGcp = true;
        return names
          .split(",")
          .map((name) =>
            name
              .trim()
              .replace(/^type /, "")
              .split(" as "),
          )
          .filter(([name]) => name !== "")
          .map(([name, alias = name]) => `import ${alias} = gcp.${service}.${name};`)
          .join("\n");
      },
    )
    .replaceAll(/(from "\.{1,2}\/[^"]+)\.ts"/g, '$1"')
    .replaceAll(/(import\("\.{1,2}\/[^"]+)\.ts"\)/g, '$1")')
    .replaceAll("import.meta.url", '("file://" + __filename)');
  return usesGcp ? `import * as gcp from "@pulumi/gcp";\n${rewritten}` : rewritten;
}

function edit(folder: string, round: number): void {
  const file = join(folder, "index.ts");
  const source = readFileSync(file, "utf8").replace(/\n\/\/ Edit \d+\n$/, "\n");
  writeFileSync(file, `${source}\n// Edit ${round}\n`);
}
