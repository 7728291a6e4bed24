import type { Compute, Instance, Operation } from "../../../training/compute.ts";
import { TEMPLATE } from "../fakeCompute.ts";
import type { Actor, World } from "./world.ts";

export interface VirtualMachine {
  name: string;
  zone: string;
  attempt: number;
  labels: Record<string, string>;
  spot: boolean;
  status: "PROVISIONING" | "RUNNING" | "STOPPING" | "TERMINATED";
  gone: boolean;
}

export type Fault =
  | "ok"
  | "slow"
  | "lostBefore"
  | "lostAfter"
  | "late"
  | "busy"
  | "busyAfter"
  | "rate"
  | "forbidden"
  | "stockOut"
  | "stockOutHttp"
  | "quota"
  | "quotaHttp"
  | "takenBack"
  | "hangs"
  | "hangsNever"
  | "internal"
  | "bad";

/** How often each answer to "make a machine" comes; each schedule has its own weather. */
export const WEATHERS: readonly (readonly (readonly [Fault, number])[])[] = [
  [
    ["ok", 10],
    ["slow", 3],
    ["stockOut", 1],
  ],
  [
    ["ok", 4],
    ["slow", 2],
    ["lostBefore", 3],
    ["lostAfter", 3],
    ["late", 3],
    ["busy", 2],
    ["busyAfter", 2],
    ["rate", 2],
  ],
  [
    ["ok", 2],
    ["stockOut", 4],
    ["stockOutHttp", 2],
    ["takenBack", 3],
    ["internal", 1],
  ],
  [
    ["ok", 2],
    ["quota", 3],
    ["quotaHttp", 2],
    ["stockOut", 1],
  ],
  [
    ["ok", 2],
    ["hangs", 4],
    ["late", 2],
    ["slow", 2],
  ],
  [
    ["ok", 2],
    ["forbidden", 6],
    ["busy", 2],
  ],
  [
    ["ok", 6],
    ["slow", 2],
    ["lostBefore", 1],
    ["lostAfter", 1],
    ["late", 1],
    ["busy", 1],
    ["busyAfter", 1],
    ["rate", 1],
    ["forbidden", 1],
    ["stockOut", 1],
    ["stockOutHttp", 1],
    ["quota", 1],
    ["quotaHttp", 1],
    ["takenBack", 1],
    ["hangs", 1],
    ["internal", 1],
    ["bad", 1],
  ],
];

interface StoredOperation {
  name: string;
  doneAt: number;
  errors?: { code: string; message: string }[];
}

const QUOTA = "Quota 'CPUS' exceeded.  Limit: 24.0 in region us-central1.";

/** Compute Engine in memory: what it does to a request is drawn from the weather. */
export class VirtualCloud {
  readonly #world: World;
  readonly #weather: readonly (readonly [Fault, number])[];
  readonly machines = new Map<string, VirtualMachine>();
  readonly takenBack = new Set<string>();
  readonly counts = new Map<string, number>();
  readonly #operations = new Map<string, StoredOperation>();
  readonly #requests = new Map<string, string>();
  /** How often any call fails for no reason of its own. */
  flaky = 0.02;
  /** Answers in order, before the weather's. */
  readonly script: Fault[] = [];
  /** Every request that arrived or was refused: the zone, Spot or not, what became of it, and when. */
  readonly log: { zone: string; spot: boolean; fault: Fault; at: number; instance: Instance }[] = [];
  onMade: (machine: VirtualMachine) => void = () => undefined;
  onRunning: (machine: VirtualMachine) => void = () => undefined;

  constructor(world: World, weather: readonly (readonly [Fault, number])[]) {
    this.#world = world;
    this.#weather = weather;
  }

  #count(what: string): void {
    this.counts.set(what, (this.counts.get(what) ?? 0) + 1);
  }

  /** As this actor calls it. */
  as(actor: Actor): Compute {
    const world = this.#world;
    const call = async <T>(work: () => T): Promise<T> => {
      const { flaky } = this;
      await world.step(actor);
      if (world.chance(flaky)) throw httpError(503, "backendError", "Service Unavailable");
      const value = work();
      await world.step(actor);
      if (world.chance(flaky)) throw Object.assign(new Error("socket hang up"), { code: "ECONNRESET" });
      return value;
    };
    return {
      template: () => call(() => TEMPLATE as object),
      insert: (_project, zone, { requestId, instance }) => this.#insert(actor, zone, requestId, instance),
      wait: async (_project, _zone, name) => {
        const operation = this.#operations.get(name)!;
        await call(() => undefined);
        await world.sleep(actor, Math.min(15_000, Math.max(0, operation.doneAt - world.now)));
        return this.#shown(operation);
      },
      instance: (_project, zone, name) =>
        call(() => {
          const found = this.machines.get(`${zone}/${name}`);
          return found && ({ name, status: found.status, labels: found.labels } as Instance);
        }),
      remove: (_project, zone, name) => call(() => this.remove(`${zone}/${name}`)),
      machinesOf: (_project, run) =>
        call(() =>
          [...this.machines.values()]
            .filter(({ labels }) => labels["mlt-run"] === run)
            .map(({ name, zone, status }) => ({ name, zone, status })),
        ),
      preempted: (_project, zone, name) => call(() => this.takenBack.has(`${zone}/${name}`)),
      newestOf: () => call(() => "projects/p/global/images/i"),
      console: () => call(() => ""),
    };
  }

  #shown(operation: StoredOperation): Operation {
    const done = operation.doneAt <= this.#world.now;
    const error = operation.errors ? { error: { errors: operation.errors } } : {};
    return { name: operation.name, status: done ? "DONE" : "RUNNING", ...(done ? error : {}) };
  }

  async #insert(actor: Actor, zone: string, requestId: string, instance: Instance): Promise<Operation> {
    const world = this.#world;
    await world.step(actor);
    const known = this.#requests.get(requestId);
    if (known) return this.#shown(this.#operations.get(known)!);
    const fault = this.script.shift() ?? world.pick(this.#weather);
    this.#count(fault);
    const spot = instance.scheduling?.provisioningModel === "SPOT";
    this.log.push({ zone, spot, fault, at: world.now, instance });
    const lost = () => Object.assign(new Error("socket hang up"), { code: "ECONNRESET" });
    switch (fault) {
      case "lostBefore":
        throw lost();
      case "late":
        world.later(world.between(1_000, 240_000), () => {
          try {
            this.#accept(zone, requestId, instance, {});
          } catch {
            // The name is taken, or it was asked for again meanwhile.
          }
        });
        throw lost();
      case "busy":
        throw httpError(503, "backendError", "Service Unavailable");
      case "rate":
        throw httpError(world.chance(0.5) ? 429 : 403, "rateLimitExceeded", "Rate Limit Exceeded");
      case "forbidden":
        throw httpError(403, "forbidden", "Required 'compute.instances.create' permission");
      case "stockOutHttp":
        throw httpError(503, "ZONE_RESOURCE_POOL_EXHAUSTED", `ZONE_RESOURCE_POOL_EXHAUSTED in ${zone}`);
      case "quotaHttp":
        throw httpError(403, "quotaExceeded", QUOTA);
      case "bad":
        throw httpError(400, "invalid", "Invalid value for field 'x'");
    }
    const operation = this.#accept(zone, requestId, instance, { fault });
    if (fault === "lostAfter") throw lost();
    if (fault === "busyAfter") throw httpError(503, "backendError", "Service Unavailable");
    await world.step(actor);
    return this.#shown(operation);
  }

  /** The request has arrived. */
  #accept(zone: string, requestId: string, instance: Instance, { fault }: { fault?: Fault }): StoredOperation {
    const world = this.#world;
    const known = this.#requests.get(requestId);
    if (known) return this.#operations.get(known)!;
    const key = `${zone}/${instance.name}`;
    if (this.machines.has(key)) throw httpError(409, "alreadyExists", `The resource '${key}' already exists`);
    const name = `operation-${this.#operations.size + 1}`;
    const takes = fault === "slow" ? world.between(20_000, 150_000) : world.between(1_000, 15_000);
    const operation: StoredOperation = { name, doneAt: world.now + takes };
    this.#operations.set(name, operation);
    this.#requests.set(requestId, name);
    const fails = (code: string, message: string) => {
      operation.errors = [{ code, message }];
    };
    if (fault === "stockOut") {
      fails(`ZONE_RESOURCE_POOL_EXHAUSTED${world.chance(0.5) ? "_WITH_DETAILS" : ""}`, "no resources");
    } else if (fault === "quota") fails("QUOTA_EXCEEDED", QUOTA);
    else if (fault === "internal") fails("INTERNAL_ERROR", "Internal error");
    else if (fault === "takenBack" && instance.scheduling?.provisioningModel === "SPOT") {
      fails("UNSUPPORTED_OPERATION", "Instance failed to start due to preemption.");
      const machine = this.#make(zone, instance);
      world.later(takes, () => {
        if (!machine.gone) machine.status = "TERMINATED";
        if (world.chance(0.5)) this.takenBack.add(key);
      });
    } else if (fault === "hangsNever") operation.doneAt = Number.POSITIVE_INFINITY;
    else if (fault === "hangs") {
      operation.doneAt = Number.POSITIVE_INFINITY;
      // It comes at once, much later, or never.
      const comes = world.pick([
        [0, 1],
        [world.between(10_000, 400_000), 2],
        [undefined, 1],
      ] as const);
      if (comes === 0) this.#boot(this.#make(zone, instance), takes);
      else if (comes !== undefined) {
        world.later(comes, () => {
          if (!this.machines.has(key)) this.#boot(this.#make(zone, instance), takes);
        });
      }
    } else this.#boot(this.#make(zone, instance), takes);
    return operation;
  }

  #make(zone: string, instance: Instance): VirtualMachine {
    const labels = instance.labels as Record<string, string>;
    const machine: VirtualMachine = {
      name: String(instance.name),
      zone,
      attempt: Number(labels["mlt-attempt"]),
      labels,
      spot: instance.scheduling?.provisioningModel === "SPOT",
      status: "PROVISIONING",
      gone: false,
    };
    this.machines.set(`${zone}/${machine.name}`, machine);
    this.onMade(machine);
    // Google's own limit; it is forgotten when a machine stops.
    const seconds = Number(instance.scheduling?.maxRunDuration?.seconds);
    this.#world.later(seconds * 1000, () => {
      if (machine.status !== "TERMINATED") this.#erase(machine);
    });
    return machine;
  }

  #boot(machine: VirtualMachine, takes: number): void {
    this.#world.later(takes, () => {
      if (machine.gone || machine.status !== "PROVISIONING") return;
      machine.status = "RUNNING";
      this.onRunning(machine);
    });
  }

  /** Takes some seconds, as at Google. */
  remove(key: string): void {
    const machine = this.machines.get(key);
    if (!machine || machine.status === "STOPPING") return;
    machine.status = "STOPPING";
    this.#world.later(this.#world.between(500, 20_000), () => this.#erase(machine));
  }

  /** Google takes it back: without a word, or with half a minute's notice. */
  preempt(machine: VirtualMachine, notice: number): void {
    if (machine.gone || machine.status !== "RUNNING") return;
    this.#count("preemption");
    this.takenBack.add(`${machine.zone}/${machine.name}`);
    if (notice === 0) this.#erase(machine);
    else this.#world.later(notice, () => this.#erase(machine));
  }

  #erase(machine: VirtualMachine): void {
    if (machine.gone) return;
    machine.gone = true;
    this.machines.delete(`${machine.zone}/${machine.name}`);
  }
}

function httpError(status: number, reason: string, message: string): Error {
  return Object.assign(new Error(message), { status, errors: [{ reason, message }] });
}
