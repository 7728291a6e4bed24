import type { Compute, Operation, TemplateProperties } from "../compute.ts";
import type { Environment, RunSpec } from "../contract.ts";
import { explained, isTransient, retrying, statusOf, UserError } from "../errors.ts";
import { requestId } from "../ids.ts";
import { type LaunchHooks, type Machine, NoLongerWanted } from "./engine.ts";
import { type ChosenImage, chooseImage } from "./image.ts";
import { operationRefusal, type Refusal, refusalOf } from "./refusals.ts";
import { instanceRequest } from "./request.ts";
import { badRequest, foreignMachine, givenUp } from "./words.ts";

export interface Clock {
  now: () => number;
  /** The signal, if there is one, ends it. */
  sleep: (milliseconds: number, signal?: AbortSignal) => Promise<void>;
}

/** Rights and enabled services are known everywhere after minutes; longer means that they were never given. */
const FORBIDDEN_MS = 10 * 60_000;
const TRANSIENT_MS = 5 * 60_000;
/** A machine that is not made by then is looked for, and given up if it is not there. */
const OPERATION_MS = 5 * 60_000;
/** How long what was left behind may take to go, before it is left to find itself superseded. */
const CLEAR_MS = 2 * 60_000;
const LONGEST_PAUSE_MS = 30_000;
/** A run that is cancelled waits so long for Google to finish what it was asked for. */
const ABANDON_MS = 60_000;

const ALIVE = ["PROVISIONING", "STAGING", "RUNNING", "REPAIRING"];

export interface Attempt {
  environment: Environment;
  spec: RunSpec;
  attempt: number;
  machine: Machine;
  template: string;
  /** The exact image of the run's earlier attempts. */
  image?: string;
  hooks: LaunchHooks;
  round: number;
  signal?: AbortSignal;
  /** Whether the place is on record. */
  recorded?: boolean;
}

/** `uncertain`: what was asked for may still come to be; why. */
export type Tried = { machine: Machine } | { refusal: Refusal; uncertain?: string };

type Asked = { machine: Machine } | { refusal: Refusal; byOperation: boolean; uncertain?: string };

/** Asks one zone for one machine, until it is there, or until it is sure that it is not, or that this cannot be known. */
export class Place {
  readonly #compute: Compute;
  readonly #clock: Clock;

  constructor(compute: Compute, clock: Clock) {
    this.#compute = compute;
    this.#clock = clock;
  }

  async try(job: Attempt): Promise<Tried> {
    const { environment, spec, attempt, machine, template, hooks } = job;
    const { zone, spot } = machine;
    const started = this.#clock.now();
    // A call that is sent again because its answer was lost keeps its id; one whose operation failed gets a new one, or
    // Google would answer with that failure again.
    let failures = 0;
    let lost = false;
    for (let round = 0; ; round += 1) {
      if (round > 0) await hooks.onAlive();
      const asked = await this.#ask(job, requestId(spec.id, attempt, zone, String(spot), job.round, failures));
      if ("machine" in asked) return asked;
      const { refusal, uncertain } = asked;
      if (uncertain) return { refusal, uncertain };
      if (asked.byOperation) failures += 1;
      let pausing: Refusal = refusal;
      if (refusal.kind === "exists") {
        const found = await this.#existing(job);
        if (found === "ours") return { machine };
        if (found === "uncertain") return { refusal, uncertain: "what is left of an earlier request does not go" };
        failures += 1;
        pausing = { kind: "transient", message: refusal.message, lost: false };
      }
      if (pausing.kind !== "forbidden" && pausing.kind !== "transient") {
        const end = await this.#leave(job, lost);
        if (end === "ours") return { machine };
        if (refusal.kind === "bad") throw badRequest(refusal.message, zone, template);
        return { refusal, ...(end ? { uncertain: end } : {}) };
      }
      lost ||= pausing.kind === "transient" && pausing.lost;
      const limit = pausing.kind === "forbidden" ? FORBIDDEN_MS : TRANSIENT_MS;
      const pause = Math.min(LONGEST_PAUSE_MS, 1000 * 2 ** Math.min(round, 5));
      if (this.#clock.now() - started + pause > limit) {
        if ((await this.#leave(job, lost)) === "ours") return { machine };
        throw givenUp(pausing, zone, environment, limit);
      }
      const why = pausing.kind === "forbidden" ? "not allowed yet" : "Google is busy";
      await hooks.onWait(`${zone}: ${why} (${pausing.message}); next try in ${pause / 1000} s`);
      await this.#clock.sleep(pause, job.signal);
    }
  }

  /** One call and its operation. */
  async #ask(job: Attempt, requestId: string): Promise<Asked> {
    const { spec, attempt, machine, template } = job;
    const { project } = job.environment;
    const { name, zone, spot } = machine;
    let operation: Operation;
    let properties: TemplateProperties;
    let chosen: ChosenImage;
    try {
      properties = await this.#compute.template(project, template);
      chosen = await chooseImage(this.#compute, properties, { project, zone }, job.image);
    } catch (error) {
      throwIfLogin(error);
      const refusal = refusalOf(error);
      // Nothing was asked for yet that could get lost.
      return { refusal: refusal.kind === "transient" ? { ...refusal, lost: false } : refusal, byOperation: false };
    }
    if (chosen.image) machine.image = chosen.image;
    // The record comes before the machine.
    if (!job.recorded) await job.hooks.onPlace(machine);
    job.recorded = true;
    try {
      const disks = chosen.disks ? { disks: chosen.disks } : {};
      const place = { name, zone, attempt, spot, now: this.#clock.now(), ...disks };
      const instance = instanceRequest(properties, spec, place);
      operation = await this.#compute.insert(project, zone, { template, requestId, instance });
    } catch (error) {
      throwIfLogin(error);
      return { refusal: refusalOf(error), byOperation: false };
    }
    try {
      return await this.#settled(job, operation);
    } catch (error) {
      if (error instanceof NoLongerWanted) await this.#abandon(job, operation);
      throw error;
    }
  }

  async #settled(job: Attempt, first: Operation): Promise<Asked> {
    const { machine, hooks } = job;
    const operation = await this.#ended(job, first, OPERATION_MS, () => alive(hooks));
    if (!operation) return this.#withoutOperation(job);
    const errors = operation.error?.errors ?? [];
    if (errors.length === 0) return { machine };
    const refusal = operationRefusal(errors);
    // What failed half way leaves nothing behind; a machine that was taken back would keep its name.
    if (refusal.kind === "exists" || (await this.#clear(job))) return { refusal, byOperation: true };
    return { refusal, byOperation: true, uncertain: `what is left of it in ${machine.zone} does not go` };
  }

  /** The operation once it is done; `undefined` when that takes too long. */
  async #ended(job: Attempt, first: Operation, limit: number, sign: () => Promise<void>) {
    const { project } = job.environment;
    const started = this.#clock.now();
    let operation = first;
    for (let pause = 250; operation.status !== "DONE"; pause = Math.min(2000, pause * 1.5)) {
      const asked = this.#clock.now();
      if (asked - started > limit) return undefined;
      try {
        operation = (await this.#compute.wait(project, job.machine.zone, String(first.name))) ?? operation;
      } catch (error) {
        // The machine may be on its way: the call is not sent again for a lost answer about it.
        if (!isTransient(error) && ![403, 404].includes(statusOf(error) ?? 0)) throw error;
      }
      if (operation.status === "DONE") break;
      await sign();
      if (this.#clock.now() - asked < 1000) await this.#clock.sleep(pause);
    }
    return operation;
  }

  /** The operation never ended: the machine itself says whether it was made. */
  async #withoutOperation(job: Attempt): Promise<Asked> {
    const { machine } = job;
    const found = await this.#look(job);
    if (found?.status === "RUNNING" || found?.status === "STAGING") return { machine };
    await this.#clear(job);
    const message = `the machine was not made within ${OPERATION_MS / 60_000} minutes`;
    return {
      refusal: { kind: "stockOut", message },
      byOperation: true,
      uncertain: `Google has not said what became of the request in ${machine.zone}`,
    };
  }

  /** The name is taken: by ours that lives (its answer was lost), by what is left of ours, or by a stranger. */
  async #existing(job: Attempt): Promise<"ours" | "free" | "uncertain"> {
    const { machine, environment, spec } = job;
    const found = await this.#look(job);
    // It was on its way out.
    if (!found) return "free";
    if (found.labels?.["mlt-run"] !== spec.id) throw foreignMachine(machine, environment);
    if (ALIVE.includes(String(found.status))) return "ours";
    return (await this.#clear(job)) ? "free" : "uncertain";
  }

  /** Before this zone is left: `undefined`: nothing of ours is there. */
  async #leave(job: Attempt, lost: boolean): Promise<"ours" | string | undefined> {
    if (!lost) return undefined;
    const { machine, spec } = job;
    try {
      const found = await this.#look(job);
      if (found?.labels?.["mlt-run"] === spec.id) {
        if (ALIVE.includes(String(found.status))) return "ours";
        await this.#clear(job);
      }
    } catch {
      // Then it cannot be known, like where there is no machine yet.
    }
    return `answers of ${machine.zone} were lost`;
  }

  #look({ machine, environment }: Attempt) {
    const look = () => this.#compute.instance(environment.project, machine.zone, machine.name);
    return retrying(look, (milliseconds) => this.#clock.sleep(milliseconds));
  }

  /** Whether nothing of this name is left; asks for two minutes. */
  async #clear(job: Attempt): Promise<boolean> {
    const { machine, environment } = job;
    const { project } = environment;
    const started = this.#clock.now();
    for (let pause = 500; ; pause = Math.min(5000, pause * 2)) {
      try {
        await this.#compute.remove(project, machine.zone, machine.name);
        if (!(await this.#compute.instance(project, machine.zone, machine.name))) return true;
      } catch (error) {
        if (!isTransient(error) && statusOf(error) !== 403) return false;
      }
      if (this.#clock.now() - started + pause > CLEAR_MS) return false;
      await this.#clock.sleep(pause);
      await alive(job.hooks);
    }
  }

  /** Nobody wants the machine any more: what was asked for is removed when it is there. */
  async #abandon(job: Attempt, operation: Operation): Promise<void> {
    const quiet = async () => undefined;
    const hooks = { ...job.hooks, onAlive: quiet };
    await this.#ended(job, operation, ABANDON_MS, quiet).catch(() => undefined);
    await this.#clear({ ...job, hooks }).catch(() => undefined);
  }
}

/** A sign of life that fails for another reason than that nobody wants the run is no reason to leave a machine behind. */
async function alive(hooks: LaunchHooks): Promise<void> {
  try {
    await hooks.onAlive();
  } catch (error) {
    if (error instanceof NoLongerWanted) throw error;
  }
}

/** No login is nothing that a retry or another zone would change; what becomes of the run stays open. */
function throwIfLogin(error: unknown): void {
  if (statusOf(error) === 403) return;
  const told = explained(error, "Making the machine");
  if (told instanceof UserError) throw told;
}
