import { type Compute, googleCompute, type Operation, type TemplateProperties } from "../compute.ts";
import type { Environment, RunSpec, RunStatus } from "../contract.ts";
import { trainingOf } from "../environment.ts";
import { EXIT, explained, isTransient, messageOf, statusOf, UserError } from "../errors.ts";
import { machineName, requestId } from "../ids.ts";
import type { MachineState } from "../reconcile.ts";
import type { Engine, LaunchHooks } from "./engine.ts";
import { operationRefusal, quotaOf, type Refusal, refusalOf } from "./refusals.ts";
import { instanceRequest } from "./request.ts";

export interface VmOptions {
  compute?: Compute;
  now?: () => number;
  sleep?: (milliseconds: number) => Promise<void>;
}

/** Rights and enabled services are known everywhere after minutes; longer means that they were never given. */
const FORBIDDEN_MS = 10 * 60_000;
const TRANSIENT_MS = 5 * 60_000;
/** A machine that is not made by then is looked for, and given up if it is not there. */
const OPERATION_MS = 5 * 60_000;
const LONGEST_PAUSE_MS = 30_000;

type Machine = NonNullable<RunStatus["machine"]>;
type Tried = { machine: Machine } | { refusal: Refusal };

/** One Compute Engine machine per attempt, from the environment's template. */
export class VmEngine implements Engine {
  readonly #compute: Compute;
  readonly #now: () => number;
  readonly #sleep: (milliseconds: number) => Promise<void>;

  constructor(options: VmOptions = {}) {
    this.#compute = options.compute ?? googleCompute();
    this.#now = options.now ?? Date.now;
    this.#sleep = options.sleep ?? ((milliseconds) => new Promise((resolve) => setTimeout(resolve, milliseconds)));
  }

  async launch(environment: Environment, spec: RunSpec, attempt: number, hooks: LaunchHooks): Promise<Machine> {
    const { templates } = trainingOf(environment);
    const zones = environment.zones.filter((zone) => templates[regionOf(zone)]);
    if (zones.length === 0) {
      throw new UserError(
        `The environment ${environment.environment} has no zone with a training template (zones: ${environment.zones.join(", ") || "none"}; templates in: ${Object.keys(templates).join(", ") || "none"}). Run \`pulumi up\`.`,
      );
    }
    const refused: { zone: string; refusal: Refusal }[] = [];
    for (const zone of zones) {
      const region = regionOf(zone);
      if (refused.some((other) => other.refusal.kind === "quota" && regionOf(other.zone) === region)) continue;
      const tried = await this.#tryZone(environment, spec, attempt, zone, templates[region]!, hooks);
      if ("machine" in tried) return tried.machine;
      refused.push({ zone, refusal: tried.refusal });
    }
    throw noMachine(environment, spec, refused);
  }

  async #tryZone(
    environment: Environment,
    spec: RunSpec,
    attempt: number,
    zone: string,
    template: string,
    hooks: LaunchHooks,
  ): Promise<Tried> {
    const { project } = environment;
    const name = machineName(environment.environment, spec.id, attempt);
    const machine: Machine = { name, zone, region: regionOf(zone), type: spec.machineType, spot: spec.spot };
    await hooks.onPlace(machine);
    const started = this.#now();
    // A call that is sent again because its answer was lost keeps its id; one whose operation failed gets a new one,
    // or Google would answer with that failure again.
    let failures = 0;
    for (let round = 0; ; round += 1) {
      const id = requestId(spec.id, attempt, zone, failures);
      const outcome = await this.#insert(environment, spec, attempt, machine, template, id);
      if (outcome === undefined) return { machine };
      const { refusal } = outcome;
      if (outcome.byOperation) failures += 1;
      if (refusal.kind === "exists") {
        const found = await this.#compute.instance(project, zone, name);
        // Ours: an earlier call arrived although its answer was lost.
        if (found?.labels?.["mlt-run"] === spec.id && found.status !== "TERMINATED") return { machine };
        throw new UserError(
          `A machine ${name} that is not this run's is in ${zone}. Delete it: gcloud compute instances delete ${name} --zone ${zone} --project ${project}`,
          EXIT.failedBeforeTraining,
        );
      }
      if (refusal.kind === "bad") throw badRequest(refusal, zone, template);
      if (refusal.kind !== "forbidden" && refusal.kind !== "transient") return { refusal };
      const limit = refusal.kind === "forbidden" ? FORBIDDEN_MS : TRANSIENT_MS;
      const pause = Math.min(LONGEST_PAUSE_MS, 1000 * 2 ** Math.min(round, 5));
      if (this.#now() - started + pause > limit) throw givenUp(refusal, zone, environment, limit);
      const why = refusal.kind === "forbidden" ? "not allowed yet" : "Google is busy";
      await hooks.onWait(`${zone}: ${why} (${refusal.message}); next try in ${pause / 1000} s`);
      await this.#sleep(pause);
    }
  }

  /** One call and its operation; `undefined`: the machine is there. */
  async #insert(
    environment: Environment,
    spec: RunSpec,
    attempt: number,
    machine: Machine,
    template: string,
    requestId: string,
  ): Promise<{ refusal: Refusal; byOperation: boolean } | undefined> {
    const { project } = environment;
    const { name, zone } = machine;
    let operation: Operation;
    try {
      const properties: TemplateProperties = await this.#compute.template(project, template);
      const instance = instanceRequest(properties, spec, { name, zone, attempt, now: this.#now() });
      operation = await this.#compute.insert(project, zone, { template, requestId, instance });
    } catch (error) {
      return { refusal: refusalOf(explainedLogin(error)), byOperation: false };
    }
    const refusal = await this.#finish(project, machine, operation);
    return refusal && { refusal, byOperation: true };
  }

  async #finish(project: string, machine: Machine, first: Operation): Promise<Refusal | undefined> {
    const { name, zone } = machine;
    const started = this.#now();
    let operation = first;
    for (let pause = 250; operation.status !== "DONE"; pause = Math.min(2000, pause * 1.5)) {
      if (this.#now() - started > OPERATION_MS) return await this.#withoutOperation(project, machine);
      await this.#sleep(pause);
      try {
        operation = await this.#compute.operation(project, zone, String(first.name));
      } catch (error) {
        // The machine may be on its way: the call is not sent again for a lost answer about it.
        if (!isTransient(error) && statusOf(error) !== 403) throw error;
      }
    }
    const errors = operation.error?.errors ?? [];
    if (errors.length === 0) return undefined;
    const refusal = operationRefusal(errors);
    // What failed half way leaves nothing behind.
    if (refusal.kind !== "exists") await this.#compute.remove(project, zone, name).catch(() => undefined);
    return refusal;
  }

  /** The operation never ended: the machine itself says whether it was made. */
  async #withoutOperation(project: string, { name, zone }: Machine): Promise<Refusal | undefined> {
    const found = await this.#compute.instance(project, zone, name);
    if (found?.status === "RUNNING" || found?.status === "STAGING") return undefined;
    await this.#compute.remove(project, zone, name);
    return { kind: "stockOut", message: `the machine was not made within ${OPERATION_MS / 60_000} minutes` };
  }

  async state(environment: Environment, machine: Machine): Promise<MachineState> {
    try {
      const found = await this.#compute.instance(environment.project, machine.zone, machine.name);
      if (!found) return "gone";
      return ["TERMINATED", "STOPPED", "SUSPENDED"].includes(String(found.status)) ? "stopped" : "running";
    } catch (error) {
      throw explained(error, `Looking for the machine ${machine.name}`);
    }
  }

  async remove(environment: Environment, machine: Machine): Promise<void> {
    try {
      await this.#compute.remove(environment.project, machine.zone, machine.name);
    } catch (error) {
      throw explained(error, `Deleting the machine ${machine.name}`);
    }
  }
}

export function regionOf(zone: string): string {
  return zone.replace(/-[a-z]$/, "");
}

/** No login is nothing that a retry or another zone would change. */
function explainedLogin(error: unknown): unknown {
  if (statusOf(error) === 403) return error;
  const told = explained(error, "Making the training machine");
  if (told instanceof UserError) throw told;
  return error;
}

function badRequest(refusal: Refusal, zone: string, template: string): UserError {
  const missing = /instanceTemplates/.test(refusal.message);
  return new UserError(
    missing
      ? `The training template ${template} is not there: ${refusal.message}. Run \`pulumi up\`.`
      : `Google refuses this machine in ${zone}: ${refusal.message}`,
    EXIT.failedBeforeTraining,
  );
}

function givenUp(refusal: Refusal, zone: string, environment: Environment, limit: number): UserError {
  const minutes = limit / 60_000;
  return refusal.kind === "forbidden"
    ? new UserError(
        `Making a machine in ${zone} is still not allowed after ${minutes} minutes: ${refusal.message}\nYou need compute.instances.create in ${environment.project}, and the right to act as ${environment.serviceAccount}.`,
        EXIT.failedBeforeTraining,
      )
    : new UserError(
        `Google did not take the request in ${zone} for ${minutes} minutes: ${refusal.message}. Try again later.`,
        EXIT.failedBeforeTraining,
      );
}

/** Every zone was tried: what stood in the way of each. */
function noMachine(
  environment: Environment,
  spec: RunSpec,
  refused: readonly { zone: string; refusal: Refusal }[],
): UserError {
  const quotas = refused.filter(({ refusal }) => refusal.kind === "quota");
  const lines = refused.map(({ zone, refusal }) => {
    const quota = refusal.kind === "quota" ? quotaOf(refusal.message) : undefined;
    if (quota) return `  ${regionOf(zone)}: quota ${quota.name} is used up (limit ${quota.limit})`;
    return `  ${zone}: ${refusal.kind === "stockOut" ? "none free now" : messageOf(refusal)} (${refusal.message})`;
  });
  const advice = [
    ...(quotas.length > 0
      ? [`More quota: https://console.cloud.google.com/iam-admin/quotas?project=${environment.project}`]
      : []),
    ...(quotas.length < refused.length
      ? ["Try again later, with another --machine-type, or add regions to mltraining:training."]
      : []),
  ];
  const kind = `${spec.machineType}${spec.spot ? " (Spot)" : ""}`;
  return new UserError([`No ${kind} is to be had:`, ...lines, ...advice].join("\n"), EXIT.noCapacity);
}
