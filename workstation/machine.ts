// The few calls of Compute Engine that a workstation needs. They are made without Google's client: it would take longer
// to load than all of them take.
import { computeRoot } from "../training/endpoints.ts";
import { operationRefusal, refusalOf } from "../training/engines/refusals.ts";
import { EXIT, explained, messageOf, pausing, retrying, statusOf, UserError } from "../training/errors.ts";
import { computeHeaders } from "../training/impersonate.ts";
import type { Target } from "./ssh.ts";

/** What Compute Engine says of a machine, as far as it is looked at. */
export interface Instance {
  id?: string;
  status: string;
  machineType?: string;
  creationTimestamp?: string;
  lastStartTimestamp?: string;
  lastStopTimestamp?: string;
  scheduling?: { provisioningModel?: string };
  guestAccelerators?: { acceleratorType?: string; acceleratorCount?: number }[];
  disks?: { diskSizeGb?: string | number; boot?: boolean }[];
}

interface Operation {
  name: string;
  status: string;
  error?: { errors?: { code?: string; message?: string }[] };
}

const START_MS = 180_000;
const CALL_MS = 60_000;

/** One machine by its name. */
export class Machine {
  readonly target: Target;
  readonly #sleep: (milliseconds: number) => Promise<void>;

  constructor(target: Target, sleep: (milliseconds: number) => Promise<void> = pausing) {
    this.target = target;
    this.#sleep = sleep;
  }

  /** `undefined` if there is none. */
  async look(): Promise<Instance | undefined> {
    const { name } = this.target;
    try {
      return await this.#call<Instance>("GET", `instances/${name}`);
    } catch (error) {
      if (statusOf(error) === 404) return undefined;
      throw this.#told(error, `Looking for ${name}`, "compute.instances.get");
    }
  }

  /** Returns when the machine runs. */
  async start(): Promise<void> {
    await this.#change("start", "RUNNING");
  }

  /** Returns when the machine is stopped; what is in its memory is lost, its disks stay. */
  async stop(): Promise<void> {
    await this.#change("stop", "TERMINATED");
  }

  /** What the machine has written to its console from byte `start` on; `undefined` if there is no machine. */
  async serial(start = 0): Promise<{ contents: string; next: number } | undefined> {
    const { name } = this.target;
    try {
      const answer = await this.#call<{ contents?: string; next?: string }>(
        "GET",
        `instances/${name}/serialPort?port=1&start=${start}`,
      );
      return { contents: answer.contents ?? "", next: Number(answer.next ?? start) };
    } catch (error) {
      if (statusOf(error) === 404) return undefined;
      throw this.#told(error, `Reading the console of ${name}`, "compute.instances.getSerialPortOutput");
    }
  }

  async #change(verb: "start" | "stop", wanted: string): Promise<void> {
    const { name } = this.target;
    const doing = verb === "start" ? `Starting ${name}` : `Stopping ${name}`;
    let operation: Operation;
    try {
      operation = await this.#call<Operation>("POST", `instances/${name}/${verb}`);
    } catch (error) {
      if (statusOf(error) === 404) throw gone(this.target);
      const refusal = refusalOf(error);
      if (refusal.kind === "stockOut" || refusal.kind === "quota") throw noRoom(this.target, refusal);
      throw this.#told(error, doing, `compute.instances.${verb}`);
    }
    const limit = Date.now() + START_MS;
    for (let pause = 250; ; pause = Math.min(2000, pause * 1.5)) {
      const now = await this.#progress(operation);
      if (now?.status === "DONE") {
        const errors = now.error?.errors ?? [];
        if (errors.length === 0) return;
        const refusal = operationRefusal(errors);
        if (refusal.kind === "stockOut" || refusal.kind === "quota") throw noRoom(this.target, refusal);
        throw new UserError(`${doing} failed: ${refusal.message}`, EXIT.failedBeforeTraining);
      }
      // Who may start a machine need not be allowed to look at the operation.
      if (!now && (await this.look())?.status === wanted) return;
      if (Date.now() > limit) {
        throw new UserError(
          `${doing} takes longer than ${START_MS / 60_000} minutes. It may still come about: mlt status`,
          EXIT.failedBeforeTraining,
        );
      }
      await this.#sleep(pause);
    }
  }

  async #progress({ name }: Operation): Promise<Operation | undefined> {
    try {
      return await this.#call<Operation>("GET", `operations/${name}`);
    } catch (error) {
      if (statusOf(error) === 403 || statusOf(error) === 404) return undefined;
      throw explained(error, `Waiting for ${this.target.name}`);
    }
  }

  #told(error: unknown, doing: string, permission: string): unknown {
    if (statusOf(error) !== 403) return explained(error, doing);
    const { project } = this.target;
    const advice = /has not been used in project|it is disabled/.test(messageOf(error))
      ? `Switch the API on: gcloud services enable compute.googleapis.com --project ${project}`
      : `It needs ${permission}, which ${ROLES[permission] ?? "roles/compute.instanceAdmin.v1"} holds: ask whoever keeps the environment, or let it be done there.`;
    return new UserError(`${doing} is not allowed: ${messageOf(error)}\n${advice}`);
  }

  async #call<T>(method: "GET" | "POST", path: string): Promise<T> {
    const { project, zone } = this.target;
    const root = computeRoot() ?? "https://compute.googleapis.com/";
    const url = `${root}compute/v1/projects/${encodeURIComponent(project)}/zones/${encodeURIComponent(zone)}/${path}`;
    const headers = await computeHeaders(url);
    return retrying(async () => {
      const answer = await fetch(url, { method, headers, signal: AbortSignal.timeout(CALL_MS) });
      const text = await answer.text();
      if (!answer.ok) throw Object.assign(new Error(text.slice(0, 4000)), { status: answer.status, ...reasons(text) });
      return JSON.parse(text) as T;
    });
  }
}

/** Roles of Google's that hold what people usually lack (cloud.google.com/iap/docs, compute/docs/access/iam). */
const ROLES: Record<string, string> = {
  "compute.instances.get": "roles/compute.osAdminLogin on the machine, or roles/compute.viewer",
  "compute.instances.getSerialPortOutput": "roles/compute.viewer",
};

/** Google's reasons, where `refusalOf` looks for them. */
function reasons(text: string): { errors?: unknown } {
  try {
    const { error } = JSON.parse(text) as { error?: { errors?: unknown } };
    return Array.isArray(error?.errors) ? { errors: error.errors } : {};
  } catch {
    return {};
  }
}

export function gone({ name, zone, project }: Target): UserError {
  return new UserError(
    `The machine ${name} is gone from ${zone} (project ${project}): somebody deleted it, or it was never made. \`pulumi up --refresh\` makes it anew; a data disk, if there is one, is attached again.`,
  );
}

function noRoom(
  { name, zone, project }: Target,
  refusal: Extract<ReturnType<typeof refusalOf>, { kind: "stockOut" | "quota" }>,
): UserError {
  if (refusal.kind === "quota") {
    const { name: quota, limit } = refusal.quota;
    const least = limit === undefined ? "" : ` (limit ${limit})`;
    return new UserError(
      `${name} cannot be started: quota ${quota} is used up${least}. Stop other machines, or ask for more: https://console.cloud.google.com/iam-admin/quotas?project=${project}`,
      EXIT.noCapacity,
    );
  }
  return new UserError(
    `${name} cannot be started: ${zone} has no such machine free now (${refusal.message}). Try again later; or take another type (pulumi config set --path mltraining:workstation.machineType TYPE) or zone (…workstation.zone ZONE, which makes the machine anew and leaves a data disk behind), then pulumi up.`,
    EXIT.noCapacity,
  );
}
