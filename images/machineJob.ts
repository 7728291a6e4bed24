import { UserError } from "../training/errors.ts";
import type { Objects } from "../training/storage.ts";
import { type ImageCloud, type Instance, told } from "./cloud.ts";
import { type Limits, pause } from "./limits.ts";
import { type BuildEnvironment, isOff, type MachineWish, makeMachine, newNonce, nonceOf } from "./machine.ts";
import { LogReader, readMarker } from "./markers.ts";
import type { Marker } from "./state.ts";

/** One machine that does its part of a build and says in the bucket how it went. */
export interface MachineJob {
  cloud: ImageCloud;
  objects: Objects;
  environment: BuildEnvironment;
  limits: Limits;
  build: string;
  wish: Omit<MachineWish, "nonce" | "build" | "spot" | "startupScript">;
  spot: boolean;
  script: string;
  /** Where the machine was asked for before, by a launcher that is gone. */
  zone?: string;
  onZone: (zone: string) => Promise<void>;
  onLog: (text: string) => void;
  progress: (line: string) => void;
  signal?: AbortSignal;
  reached: (point: string) => Promise<void>;
}

/** The machine went wrong, not the work on it. */
export class MachineLost extends Error {
  override name = "MachineLost";
}

/** Makes the machine, unless it is there, and waits for what it says; a machine that ends without a word is an error. */
export async function runMachine(job: MachineJob): Promise<Marker> {
  const { cloud, limits, wish } = job;
  const machine = (await existing(job)) ?? (await make(job));
  await job.reached(`made ${wish.role} machine`);
  const nonce = nonceOf(machine.thing);
  if (!nonce) throw new MachineLost(`the machine ${wish.name} is not one that a build has made; delete it`);
  const log = new LogReader(job.objects, job.environment.buckets.scratch, job.build, wish.role, nonce);
  const started = Date.parse(String(machine.thing.creationTimestamp)) || limits.now();
  for (let round = 0; ; round += 1) {
    if (job.signal?.aborted) throw new UserError("stopped before its end (Ctrl-C)");
    await log.read(job.onLog);
    // The machine first: what it wrote before it went is then there.
    const now = round % 3 === 0 ? await cloud.machine(job.environment.project, machine.zone, wish.name) : machine.thing;
    const marker = await readMarker(job.objects, job.environment.buckets.data, job.build, wish.role, nonce);
    const elapsed = limits.now() - started;
    if (marker) {
      await log.read(job.onLog);
      if (marker.interrupted) throw new MachineLost(silence(job, now, elapsed));
      return marker;
    }
    if (!now || isOff(now)) throw new MachineLost(silence(job, now, elapsed));
    // Google deletes the machine at its time limit; one that is still there a while later is given up.
    if (elapsed > limits.machineMs + limits.operationMs) throw new MachineLost(silence(job, now, elapsed));
    await pause(limits, limits.pollMs);
  }
}

async function existing({ cloud, environment, wish, zone }: MachineJob) {
  const thing = zone ? await cloud.machine(environment.project, zone, wish.name) : undefined;
  return zone && thing ? { zone, thing } : undefined;
}

async function make(job: MachineJob): Promise<{ zone: string; thing: Instance }> {
  const { cloud, environment, limits } = job;
  let zone = "";
  const wish: MachineWish = {
    ...job.wish,
    build: job.build,
    spot: job.spot,
    startupScript: job.script,
    nonce: newNonce(),
  };
  try {
    await makeMachine(cloud, environment, wish, limits, async (place) => {
      zone = place;
      await job.onZone(place);
      await job.reached(`asking for ${wish.role} machine`);
    });
  } catch (error) {
    throw error instanceof UserError ? error : new MachineLost(told(error));
  }
  const thing = await cloud.machine(environment.project, zone, wish.name);
  if (!thing) throw new MachineLost(`the machine ${wish.name} is gone as soon as it was made`);
  return { zone, thing };
}

/** Why there will be no more word from the machine. */
function silence({ wish, limits, spot }: MachineJob, now: Instance | undefined, elapsed: number): string {
  const who = wish.role === "build" ? "the builder" : "the test machine";
  const minutes = Math.round(limits.machineMs / 6000) / 10;
  if (elapsed >= limits.machineMs - 5000) return `${who} did not end within ${minutes} min, its time limit`;
  const how = now ? "was switched off or deleted" : "was deleted";
  return `${who} ${wish.name} ${how} before it had ended${spot ? " (a Spot machine: taken back, most likely; again, or spot: false)" : ""}`;
}
