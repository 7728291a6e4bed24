import { spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { clientVariables } from "../../cli/local/variables.ts";
import { findPulumi } from "../../engine/cli.ts";
import { providerEnvironment } from "../../engine/endpoints.ts";
import { startGcpProvider } from "../../engine/providers/gcp/server.ts";
import { LONG_TOKEN_SECONDS } from "../../localcloud/daemon.ts";
import { type LocalCloud, type LocalCloudOptions, startLocalCloud } from "../../localcloud/server.ts";
import { type Running, start } from "../e2e/environment.ts";

const REPOSITORY = dirname(dirname(import.meta.dirname));

/** A class through the real engine, on a machine that does much else. */
const PATIENCE_MS = 10 * 60_000;

/** A student's line of a roster. */
export interface Line {
  id: string;
  name?: string;
  email?: string;
  more?: string;
}

/** A local cloud with two projects, the real engine, and a course's folder; `mlt` finds all by variables. */
export interface State {
  resources?: { urn: string; type: string }[];
  pending_operations?: { resource: { urn: string; type: string } }[];
}

export interface CourseWorld {
  readonly cloud: LocalCloud;
  readonly folder: string;
  /** The course's folder. */
  readonly course: string;
  readonly projects: readonly [string, string];
  readonly variables: NodeJS.ProcessEnv;
  /** Starts `mlt course ARGUMENTS --course FOLDER`. */
  mlt(...args: string[]): Running;
  /** Writes course.yaml: the keys given over those that every course here has. */
  writeCourse(keys?: Record<string, unknown>): void;
  writeRoster(lines: readonly Line[]): void;
  /** Pulumi's state of a stack, as it is on the disk; `undefined` without one. */
  state(stack: string): State | undefined;
  /** Locks that are held now, by stack. */
  locks(): string[];
  /** Addresses that Google does not know. */
  unknown(...accounts: string[]): Promise<void>;
  /** What a project holds, by kind, of soft-deleted buckets nothing. */
  left(project: string): Promise<Record<string, string[]>>;
  close(): Promise<void>;
}

export async function createCourseWorld(options: Partial<LocalCloudOptions> = {}): Promise<CourseWorld> {
  const folder = mkdtempSync(join(tmpdir(), "mlt-course-test-"));
  const projects = ["course-a", "course-b"] as const;
  const cloudFolder = join(folder, "cloud");
  const [project, other] = projects;
  const cloud = await startLocalCloud({ stateFolder: cloudFolder, project, otherProjects: [other], ...options });
  const provider = await startGcpProvider(providerEnvironment({ url: cloud.operatorUrl }));
  const pulumi = await findPulumi();
  const token = cloud.cloud.tokens.issue({ kind: "operator" }, LONG_TOKEN_SECONDS).access_token;
  const { url, operatorUrl, metadataUrl } = cloud;
  const daemon = { pid: process.pid, startedAt: "", guest: "process" as const, project, url, operatorUrl, metadataUrl };
  const clients = clientVariables({ ...daemon, token }, { stateFolder: cloudFolder });
  const variables: NodeJS.ProcessEnv = {
    ...process.env,
    ...clients,
    // Where a person has Pulumi and its plugin installed, the path and this process's provider stand in.
    PATH: `${dirname(pulumi.path)}:${clients.PATH ?? process.env.PATH}`,
    PULUMI_DEBUG_PROVIDERS: provider.attach,
    HOME: folder,
    XDG_CONFIG_HOME: join(folder, "config"),
  };
  const course = join(folder, "course");
  mkdirSync(course);
  const states = join(course, "states", ".pulumi");
  const world: CourseWorld = {
    cloud,
    folder,
    course,
    projects,
    variables,
    mlt: (...args) => {
      const [command = "", ...rest] = args;
      const all = [join(REPOSITORY, "cli", "mlt.js"), "course", command, "--course", course, ...rest];
      return start(process.execPath, all, { env: variables, folder, patienceMs: PATIENCE_MS });
    },
    writeCourse(keys = {}) {
      const all = {
        name: "ml26",
        title: "Machine learning 2026",
        expires: "2099-02-28",
        projects: [...projects],
        state: "file://./states",
        contact: "ann@example.org",
        instructors: ["user:prof@example.org"],
        ...keys,
      };
      writeFileSync(join(course, "course.yaml"), JSON.stringify(all));
    },
    writeRoster(lines) {
      const rows = lines.map(({ id, name = `Student ${id}`, email = `${id}@example.org`, more = "" }) =>
        [id, name, email, more].join(","),
      );
      writeFileSync(join(course, "roster.csv"), `id,name,email,maxHours\n${rows.join("\n")}\n`);
    },
    state(stack) {
      try {
        const text = readFileSync(join(states, "stacks", "mltraining", `${stack}.json`), "utf8");
        const { checkpoint } = JSON.parse(text) as { checkpoint: { latest?: ReturnType<CourseWorld["state"]> } };
        return checkpoint.latest ?? {};
      } catch {
        return undefined;
      }
    },
    locks() {
      const root = join(states, "locks", "organization", "mltraining");
      const held = (stack: string) => readdirSync(join(root, stack)).some((name) => name.endsWith(".json"));
      try {
        return readdirSync(root).filter(held);
      } catch {
        return [];
      }
    },
    async unknown(...accounts) {
      const body = JSON.stringify({ accounts });
      const headers = { "content-type": "application/json" };
      await fetch(`${operatorUrl}/local/v1/unknown-accounts`, { method: "PUT", headers, body });
    },
    async left(of) {
      const response = await fetch(`${operatorUrl}/local/v1/leftovers?project=${of}`);
      return ((await response.json()) as { resources: Record<string, string[]> }).resources;
    },
    async close() {
      await provider.close();
      await cloud.close();
      rmSync(folder, { recursive: true, force: true });
    },
  };
  return world;
}

export function students(count: number, from = 1): Line[] {
  return Array.from({ length: count }, (_, index) => ({ id: `s${String(from + index).padStart(3, "0")}` }));
}

/** Kills a process and all that it has started, at once: what a power cut does. */
export function powerCut(pid: number): number[] {
  const family = [pid, ...descendants(pid)];
  for (const each of family) {
    try {
      process.kill(each, "SIGKILL");
    } catch {
      // It has just ended.
    }
  }
  return family;
}

function descendants(pid: number): number[] {
  const { stdout } = spawnSync("ps", ["-eo", "pid=,ppid="], { encoding: "utf8" });
  const pairs = stdout
    .trim()
    .split("\n")
    .map((line) => line.trim().split(/\s+/).map(Number) as [number, number]);
  const children = pairs.filter(([, parent]) => parent === pid).map(([child]) => child);
  return children.flatMap((child) => [child, ...descendants(child)]);
}
