import type { Policy, Principal } from "../../core/access.ts";
import { projectNumber } from "../../core/cloud.ts";
import { GoogleError } from "../../core/errors.ts";
import type { Compute, Thing } from "./context.ts";
import { isDue, parseCron } from "./cron.ts";
import { split } from "./links.ts";
import type { Instance } from "./types.ts";

const MINUTE_MS = 60_000;
/** How often the clock is looked at. */
const LOOK_MS = 500;
/** After a longer leap of the clock only its last day is caught up with. */
const LONGEST_LEAP_MS = 24 * 3600 * 1000;

export interface SchedulePolicy {
  timeZone: string;
  startTime?: string;
  expirationTime?: string;
  vmStartSchedule?: { schedule?: string };
  vmStopSchedule?: { schedule?: string };
}

/** The account with which Compute Engine itself works in a project. */
export function serviceAgent(project: string): string {
  return `service-${projectNumber(project)}@compute-system.iam.gserviceaccount.com`;
}

/** 412 in Google's words (terraform-provider-google, issue 17260) unless the agent may start and stop the machine. */
export function requireScheduler(compute: Compute, path: string): void {
  const { project } = split(path);
  const needed = ["compute.instances.start", "compute.instances.stop"];
  if (needed.every((permission) => agentMay(compute, permission, path))) return;
  throw new GoogleError(
    412,
    "conditionNotMet",
    `Compute System service account ${serviceAgent(project)} needs to have [${needed.join(",")}] permissions applied in order to perform this operation.`,
  );
}

function agentMay({ cloud }: Compute, permission: string, path: string): boolean {
  const { project } = split(path);
  const agent: Principal = { kind: "serviceAccount", email: serviceAgent(project) };
  const policy = cloud.state.collection<Policy>("compute.policies").get(path);
  return cloud.access.allowed(agent, permission, {
    service: "compute.googleapis.com",
    type: "compute.googleapis.com/Instance",
    name: path,
    project,
    policies: policy ? [policy] : [],
  });
}

/** Starts and stops machines by the instance schedules that they are attached to. */
export class Schedules {
  readonly #compute: Compute;
  readonly #timer: NodeJS.Timeout;
  /** The last minute that was looked at. */
  #minute: number;

  constructor(compute: Compute) {
    this.#compute = compute;
    this.#minute = this.#now();
    this.#timer = setInterval(() => this.#look(), LOOK_MS).unref();
    compute.machines.closing.push(async () => clearInterval(this.#timer));
  }

  #now(): number {
    return Math.floor(this.#compute.cloud.now() / MINUTE_MS);
  }

  #look(): void {
    const now = this.#now();
    const first = Math.max(this.#minute + 1, now - LONGEST_LEAP_MS / MINUTE_MS);
    this.#minute = now;
    for (let minute = first; minute <= now; minute += 1) {
      for (const [path, policy] of this.#compute.records("resourcePolicies").entries())
        this.#at(path, policy, minute * MINUTE_MS);
    }
  }

  #at(path: string, policy: Thing, at: number): void {
    const schedule = policy.instanceSchedulePolicy as SchedulePolicy | undefined;
    if (!schedule || !isInForce(schedule, at)) return;
    for (const action of ["start", "stop"] as const) {
      const text = (action === "start" ? schedule.vmStartSchedule : schedule.vmStopSchedule)?.schedule;
      const cron = text === undefined ? undefined : parseCron(text);
      if (cron && isDue(cron, at, schedule.timeZone)) this.fire(path, action);
    }
  }

  /** Does now what a schedule says; gives the machines that it starts or stops. */
  fire(policyPath: string, action: "start" | "stop"): string[] {
    const compute = this.#compute;
    const policy = compute.get(policyPath);
    const { project, name } = split(policyPath);
    const attached = compute.list("instances", `projects/${project}/`).filter(([, machine]) => {
      return ((machine.resourcePolicies ?? []) as string[]).includes(policy.selfLink);
    });
    return attached.flatMap(([path, machine]) => {
      const instance = machine as Instance;
      if (instance.status !== (action === "start" ? "TERMINATED" : "RUNNING")) return [];
      if (!agentMay(compute, `compute.instances.${action}`, path)) {
        // As at Google, only a log tells: the right was there when the schedule was attached.
        const agent = serviceAgent(project);
        compute.cloud.log(
          `${instance.name}: the schedule ${name} may not ${action} it: ${agent} has lost compute.instances.${action}`,
        );
        return [];
      }
      compute.cloud.log(`${instance.name}: the schedule ${name} wants it to ${action}`);
      const { place } = split(path);
      compute.operations.start({
        project,
        place,
        type: action,
        target: path,
        targetId: instance.id,
        user: serviceAgent(project),
        run: () => compute.machines[action](path),
      });
      return [path];
    });
  }
}

function isInForce({ startTime, expirationTime }: SchedulePolicy, at: number): boolean {
  return (!startTime || at >= Date.parse(startTime)) && (!expirationTime || at < Date.parse(expirationTime));
}
