import { type Compute, googleCompute } from "../compute.ts";
import type { Environment, RunSpec } from "../contract.ts";
import { regionOf, trainingOf, usableZones } from "../environment.ts";
import { EXIT, explained, pausing, retrying, statusOf, UserError } from "../errors.ts";
import { machineName } from "../ids.ts";
import { estimate } from "../price.ts";
import type { MachineState } from "../reconcile.ts";
import { type Engine, type LaunchHooks, type LaunchOptions, LaunchRefused, type Machine } from "./engine.ts";
import { type Clock, Place } from "./place.ts";
import type { Refusal } from "./refusals.ts";
import { noMachine, type Refused } from "./words.ts";
import { zoneOrder } from "./zones.ts";

export interface VmOptions extends Partial<Clock> {
  compute?: Compute;
}

/** One Compute Engine machine per attempt, from the environment's template. */
export class VmEngine implements Engine {
  readonly #compute: Compute;
  readonly #clock: Clock;

  constructor(options: VmOptions = {}) {
    this.#compute = options.compute ?? googleCompute();
    this.#clock = {
      now: options.now ?? Date.now,
      sleep: options.sleep ?? pausing,
    };
  }

  async launch(
    environment: Environment,
    spec: RunSpec,
    attempt: number,
    hooks: LaunchHooks,
    options: LaunchOptions = {},
  ): Promise<Machine> {
    const { templates } = trainingOf(environment);
    const zones = zoneOrder(zonesFor(environment, spec), options.setbacks);
    const place = new Place(this.#compute, this.#clock);
    const refused: Refused[] = [];
    let current = attempt;
    for (const spot of spec.spot && spec.fallbackToStandard ? [true, false] : [spec.spot]) {
      if (refused.length > 0 && !standardMayHelp(refused)) break;
      if (spec.spot && !spot) await hooks.onWait(fallbackLine(spec));
      for (const zone of zones) {
        if (blocked(zone, spot, refused)) continue;
        const name = machineName(environment.environment, spec.id, current);
        const machine: Machine = { name, zone, region: regionOf(zone), type: spec.machineType, spot };
        const tried = await place.try({
          environment,
          spec,
          attempt: current,
          machine,
          template: templates[regionOf(zone)]!,
          ...(options.image ? { image: options.image } : {}),
          hooks,
          round: options.round ?? 0,
          ...(options.signal ? { signal: options.signal } : {}),
        });
        if ("machine" in tried) return tried.machine;
        refused.push({ zone, spot, refusal: tried.refusal });
        if (isSetback(tried.refusal)) hooks.onSetback(zone);
        if (tried.uncertain) current = await hooks.onUncertain(tried.uncertain);
      }
    }
    throw noMachine(environment, spec, refused);
  }

  async state(environment: Environment, machine: Machine): Promise<MachineState> {
    try {
      const found = await this.#again(() => this.#compute.instance(environment.project, machine.zone, machine.name));
      if (!found) return "gone";
      return ["TERMINATED", "STOPPED", "SUSPENDED"].includes(String(found.status)) ? "stopped" : "running";
    } catch (error) {
      throw explained(error, `Looking for the machine ${machine.name}`);
    }
  }

  async preempted(environment: Environment, machine: Machine): Promise<boolean> {
    if (!machine.spot) return false;
    try {
      return await this.#again(() => this.#compute.preempted(environment.project, machine.zone, machine.name));
    } catch (error) {
      // Who may not list operations has to do with what a machine that is gone tells.
      if (statusOf(error) === 403) return false;
      throw explained(error, `Asking what became of ${machine.name}`);
    }
  }

  async remove(environment: Environment, machine: Machine): Promise<void> {
    requireOurs(environment, machine.name);
    try {
      await this.#again(() => this.#compute.remove(environment.project, machine.zone, machine.name));
    } catch (error) {
      throw explained(error, `Deleting the machine ${machine.name}`);
    }
  }

  async sweep(environment: Environment, run: string, before: number): Promise<string[]> {
    // Students may list nothing, since a list shows everybody's: their machines are asked for by name.
    if (environment.student) return this.#sweepByName(environment, run, before);
    const all = await this.#again(() => this.#compute.machinesOf(environment.project, run)).catch((error) => {
      throw explained(error, `Listing the machines of ${run}`);
    });
    const old = all.filter(({ name }) => {
      const attempt = /-a(\d+)$/.exec(name)?.[1];
      return attempt !== undefined && Number(attempt) < before;
    });
    for (const { name, zone } of old) await this.remove(environment, { name, zone, type: "", spot: false });
    return old.map(({ name }) => name);
  }

  async #sweepByName(environment: Environment, run: string, before: number): Promise<string[]> {
    const gone: string[] = [];
    for (let attempt = 1; attempt < before; attempt += 1) {
      const name = machineName(environment.environment, run, attempt);
      const found = await Promise.all(
        usableZones(environment).map(async (zone) => {
          const machine: Machine = { name, zone, region: regionOf(zone), type: "", spot: false };
          return (await this.state(environment, machine)) === "gone" ? undefined : machine;
        }),
      );
      for (const machine of found) {
        if (!machine) continue;
        await this.remove(environment, machine);
        gone.push(name);
      }
    }
    return gone;
  }

  #again<T>(call: () => Promise<T>): Promise<T> {
    return retrying(call, (milliseconds) => this.#clock.sleep(milliseconds));
  }

  async console(environment: Environment, machine: Machine): Promise<string | undefined> {
    requireOurs(environment, machine.name);
    try {
      return await this.#again(() => this.#compute.console(environment.project, machine.zone, machine.name));
    } catch (error) {
      throw explained(error, `Reading the console of ${machine.name}`);
    }
  }
}

/** A status can be written by every machine of its environment: no name in it may lead to somebody else's machine. */
function requireOurs({ environment }: Environment, name: string): void {
  if (name.startsWith(`${environment}-run-`)) return;
  throw new UserError(
    `${name} is no training machine of ${environment} (their names begin with ${environment}-run-); it is left alone. Whoever wrote that into the run's status was no launcher.`,
  );
}

/** The zones that the run may use. */
function zonesFor(environment: Environment, spec: RunSpec): string[] {
  const usable = usableZones(environment);
  if (usable.length === 0) {
    const templates = Object.keys(trainingOf(environment).templates);
    throw new LaunchRefused(
      `The environment ${environment.environment} has no zone with a training template (zones: ${environment.zones.join(", ") || "none"}; templates in: ${templates.join(", ") || "none"}). Run \`pulumi up\`.`,
      EXIT.usage,
    );
  }
  const chosen = spec.zones?.filter((zone) => usable.includes(zone)) ?? usable;
  if (chosen.length > 0) return chosen;
  throw new LaunchRefused(
    `The run was to stay in ${spec.zones?.join(", ")}, and ${environment.environment} has none of these any more; it has ${usable.join(", ")}.`,
    EXIT.usage,
  );
}

const isSetback = ({ kind }: Refusal): boolean => kind === "stockOut" || kind === "preempted";

/** A quota holds for its whole region, some for all; Spot machines may have one of their own. */
function blocked(zone: string, spot: boolean, refused: readonly Refused[]): boolean {
  return refused.some(({ zone: other, spot: otherSpot, refusal }) => {
    if (refusal.kind === "notHere") return other === zone;
    if (refusal.kind !== "quota") return false;
    const { name, global } = refusal.quota;
    if (otherSpot !== spot && /PREEMPTIBLE/i.test(name)) return false;
    return global || regionOf(other) === regionOf(zone);
  });
}

/** Whether what stands in the way of Spot machines need not stand in the way of standard ones. */
function standardMayHelp(refused: readonly Refused[]): boolean {
  return refused.some(
    ({ refusal }) => isSetback(refusal) || (refusal.kind === "quota" && /PREEMPTIBLE/i.test(refusal.quota.name)),
  );
}

function fallbackLine(spec: RunSpec): string {
  const [spot, standard] = [true, false].map((kind) => estimate(spec.machineType, kind, 0).perHour);
  const price =
    spot === undefined || standard === undefined
      ? "at the standard price"
      : `at about ${standard.toFixed(3)} USD/h instead of ${spot.toFixed(3)}`;
  return `no Spot machine is to be had; asking for a standard one, ${price}`;
}
