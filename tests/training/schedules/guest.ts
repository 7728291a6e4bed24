import type { RunStatus } from "../../../training/contract.ts";
import { changeStatus, isTerminal } from "../../../training/status.ts";
import type { Objects } from "../../../training/storage.ts";
import type { VirtualCloud, VirtualMachine } from "./cloud.ts";
import { Actor, type World } from "./world.ts";

const BUCKET = "data";
const BEAT_MS = 20_000;

class NotOurs extends Error {}

/** A training machine as the run contract says: it asks whether it is wanted, trains, tells, and deletes itself. */
export async function runGuest(
  world: World,
  cloud: VirtualCloud,
  objectsFor: (actor: Actor) => Objects,
  machine: VirtualMachine,
  onTrained: () => void,
): Promise<void> {
  const actor = new Actor(machine.name);
  const objects = objectsFor(actor);
  const id = machine.labels["mlt-run"]!;
  const time = () => new Date(world.now).toISOString();
  // Without power nothing goes on.
  const powered = async () => {
    if (machine.gone || machine.status !== "RUNNING") await new Promise<never>(() => {});
  };
  const sleep = async (milliseconds: number) => {
    await world.sleep(actor, milliseconds);
    await powered();
  };
  const write = async (change: (status: RunStatus) => RunStatus) => {
    const { status } = await changeStatus(
      objects,
      BUCKET,
      id,
      "guest",
      (current) => {
        if (machine.gone || machine.status !== "RUNNING") throw new NotOurs();
        if (current.attempt !== machine.attempt || isTerminal(current, 0) || current.phase === "preempted") {
          throw new NotOurs();
        }
        return { ...change(current), heartbeat: time() };
      },
      sleep,
    );
    await powered();
    return status;
  };
  const phase = (next: RunStatus["phase"], ended = false) =>
    write((current) => ({
      ...current,
      phase: next,
      ...(next === "succeeded" ? { exitCode: 0 } : {}),
      times: { ...current.times, ...(ended ? { ended: time() } : next === "running" ? { running: time() } : {}) },
    }));
  const trains = world.between(60_000, 500_000);
  // Some never come to speak: a broken image, a network that is not there.
  const mute = world.chance(0.03);
  try {
    // Some boot for minutes.
    await sleep(world.between(3_000, world.chance(0.2) ? 240_000 : 60_000));
    if (mute) await new Promise<never>(() => {});
    await phase("booting");
    if (machine.spot && world.chance(0.35)) {
      const notice = world.chance(0.5) ? 0 : 30_000;
      world.later(world.between(1_000, 300_000), () => {
        if (notice > 0 && !machine.gone && machine.status === "RUNNING") world.start(() => lastWords());
        cloud.preempt(machine, notice);
      });
    }
    await phase("installing");
    await phase("running");
    for (const end = world.now + trains; world.now < end; ) {
      const { cancelRequested } = await write((current) => current);
      if (cancelRequested) {
        await phase("cancelled", true);
        return;
      }
      await sleep(Math.min(BEAT_MS, end - world.now));
    }
    await phase("saving");
    onTrained();
    await phase("succeeded", true);
  } catch (error) {
    if (!(error instanceof NotOurs)) throw error;
  } finally {
    await world.sleep(actor, 1_000);
    if (!machine.gone) cloud.remove(`${machine.zone}/${machine.name}`);
  }

  async function lastWords(): Promise<void> {
    try {
      await phase("preempted", true);
      // The trainer is ended with it.
      actor.dead = true;
    } catch (error) {
      if (!(error instanceof NotOurs)) throw error;
    }
  }
}
