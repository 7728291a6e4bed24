import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { clientVariables } from "../cli/local/variables.ts";
import { openStack } from "../engine/automation.ts";
import program from "../index.ts";
import type { SeenCall } from "../localcloud/core/faults.ts";
import { LONG_TOKEN_SECONDS } from "../localcloud/daemon.ts";
import { chooseDriver, type GuestDriver, type GuestLevel } from "../localcloud/guests/index.ts";
import { leftovers } from "../localcloud/leftovers.ts";
import { type LocalCloud, startLocalCloud } from "../localcloud/server.ts";
import { type OpenEnvironment, openEnvironment } from "../training/index.ts";
import { type CleanAnswer, mltClean } from "./clean.ts";
import { CaseDriver, type MachinePlan } from "./driver.ts";

/** Hears everything of one run; what it returns is waited for before the call goes on. */
export interface RunListener {
  call?(call: SeenCall): Promise<void> | void;
  answered?(call: SeenCall, status: number): void;
  line?(machine: string, text: string): void;
}

/** One local cloud with an environment as Pulumi makes it, in which all cases of a group run side by side. */
export interface World {
  readonly cloud: LocalCloud;
  readonly environment: OpenEnvironment;
  readonly driver: CaseDriver;
  /** `undefined`: machines with an init system can run here; else why not. */
  readonly noGuests: string | undefined;
  readonly folder: string;
  /** What the cloud said about its machines. */
  readonly log: string[];
  /** Who hears of the machines whose names hold `moment` (a run's time and digits), and how they are booted. */
  join(moment: string, plan: MachinePlan, listener: RunListener): () => void;
  /** Names of the machines, running or stopped, whose names hold `moment`. */
  machines(moment: string): string[];
  /** Takes a machine away at once. */
  remove(name: string): Promise<void>;
  /** The place of a machine in the cloud, as `projects/P/zones/Z/instances/N`. */
  pathOf(name: string): string | undefined;
  /** Machines and disks that are there. */
  left(): Promise<string[]>;
  /** Takes the environment away; what `mlt clean --check` said before it was made and says now, and what is left. */
  destroy(): Promise<{ before: CleanAnswer; after: CleanAnswer; left: string[] }>;
  close(): Promise<void>;
}

const REGION = "us-central1";

/** @param level the best that may be used; `undefined`: the best that this host has */
export async function createWorld(say: (line: string) => void, level?: GuestLevel): Promise<World> {
  const drivers: Partial<Record<GuestLevel, GuestDriver>> = { process: await chooseDriver("process") };
  let noGuests: string | undefined = level === "process" ? "--guest process" : undefined;
  if (!noGuests) {
    try {
      drivers.nspawn = await chooseDriver("nspawn");
      await drivers.nspawn.prepare(say);
    } catch (error) {
      if (level === "nspawn") throw error;
      noGuests = (error as Error).message;
      delete drivers.nspawn;
    }
  }
  await drivers.process?.prepare(say);
  const folder = mkdtempSync(join(tmpdir(), "mlt-faults-"));
  const runs = new Map<string, { plan: MachinePlan; listener: RunListener }>();
  const runOf = (text: string) => [...runs].find(([moment]) => text.includes(moment))?.[1];
  const driver = new CaseDriver(
    drivers,
    (machine) => runOf(machine)?.plan,
    (machine, line) => runOf(machine)?.listener.line?.(machine, line),
  );
  const log: string[] = [];
  const stateFolder = join(folder, "cloud");
  const cloud = await startLocalCloud({
    stateFolder,
    driver,
    // A list of an API that is not enabled could not be read, and nobody could say that nothing is there.
    enabledServices: "all",
    log: (line) => log.push(line),
  });
  cloud.cloud.faults.watch({
    call: async (call) => {
      for (const { listener } of [...runs.values()]) await listener.call?.(call);
    },
    answered: (call, status) => {
      for (const { listener } of [...runs.values()]) listener.answered?.(call, status);
    },
  });
  const variables = clients(cloud, stateFolder);
  Object.assign(process.env, variables);
  const before = await mltClean(cloud.project, "--check");
  const stack = await openStack({
    stack: "faults",
    program,
    folder: join(folder, "pulumi"),
    environment: variables,
    config: { "gcp:project": cloud.project, "gcp:region": REGION, "mltraining:training": { regions: [REGION] } },
    progress: say,
  });
  const close = async () => {
    await stack.close();
    await cloud.close();
    rmSync(folder, { recursive: true, force: true });
  };
  try {
    const { outputs, changes } = await stack.up();
    say(`an environment of ${changes.create ?? 0} resources is up`);
    const environment = await openEnvironment(String(outputs.dataBucketUrl));
    mkdirSync(join(folder, "cases"));
    const instances = cloud.cloud.state.collection<{ name: string }>("compute.instances");
    const pathOf = (name: string) => instances.entries().find(([, each]) => each.name === name)?.[0];
    return {
      cloud,
      environment,
      pathOf,
      async remove(name) {
        const path = pathOf(name);
        if (!path) return;
        cloud.machines.condemn(path);
        await driver.machine(name)?.guest.cut();
        await cloud.machines.remove(path);
      },
      driver,
      noGuests,
      folder: join(folder, "cases"),
      log,
      join(moment, plan, listener) {
        runs.set(moment, { plan, listener });
        return () => runs.delete(moment);
      },
      machines: (moment) =>
        instances
          .values()
          .map(({ name }) => name)
          .filter((name) => name.includes(moment)),
      async left() {
        const { resources } = await leftovers(cloud.operatorUrl, cloud.project);
        return [...(resources["compute.instances"] ?? []), ...(resources["compute.disks"] ?? [])];
      },
      async destroy() {
        await stack.destroy();
        const after = await mltClean(cloud.project, "--check");
        const { resources } = await leftovers(cloud.operatorUrl, cloud.project);
        const left = Object.entries(resources).map(([kind, names]) => `${kind}: ${names.join(", ")}`);
        return { before, after, left };
      },
      close,
    };
  } catch (error) {
    await close();
    throw error;
  }
}

/** What `mlt local start` prints: from here on this process is a client like any other. */
function clients(cloud: LocalCloud, stateFolder: string): Record<string, string> {
  const { project, url, operatorUrl, metadataUrl } = cloud;
  const token = cloud.cloud.tokens.issue({ kind: "operator" }, LONG_TOKEN_SECONDS).access_token;
  const startedAt = new Date().toISOString();
  return clientVariables(
    { pid: process.pid, startedAt, guest: "nspawn", project, url, operatorUrl, metadataUrl, token },
    { stateFolder },
  );
}
