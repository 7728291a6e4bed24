import { randomUUID } from "node:crypto";
import { setUnknownAccounts } from "./core/access/records.ts";
import type { Principal } from "./core/access.ts";
import { readMembers } from "./core/body.ts";
import type { Cloud } from "./core/cloud.ts";
import { GoogleError, rpcError } from "./core/errors.ts";
import type { Fault } from "./core/faults.ts";
import { type Call, type Handler, Router } from "./core/http.ts";
import { leftovers } from "./leftovers.ts";
import type { Settings } from "./server.ts";
import type { Machines } from "./services/compute/machines.ts";
import { setQuota } from "./services/compute/quotas.ts";
import { project as findProject, organizations } from "./services/resourcemanager/projects.ts";

export interface ControlOptions {
  cloud: Cloud;
  settings: Settings;
  machines: Machines;
  project: string;
  /** The open door's own address. */
  url: string;
  shutdown?: () => void;
}

const FAULT_MEMBERS = [
  "id",
  "service",
  "method",
  "path",
  "query",
  "caller",
  "machine",
  "skip",
  "times",
  "from",
  "until",
  "error",
  "delayMs",
  "drop",
  "operationError",
  "operationHangs",
];

/** What Google has no API for: faults, preemptions, settings, what is left. For the operator, at the open door only. */
export function controlRouter(options: ControlOptions): Router {
  const { cloud, settings, machines, project } = options;
  const { faults, state, tokens } = cloud;

  const operator =
    (handler: Handler): Handler =>
    (call) => {
      if (call.principal.kind !== "operator") throw rpcError(403, "Only the operator controls the local cloud.");
      return handler(call);
    };

  async function addFault(call: Call) {
    const fault = await call.json<Partial<Fault>>();
    const unknown = Object.keys(fault).filter((name) => !FAULT_MEMBERS.includes(name));
    if (unknown.length > 0)
      throw rpcError(400, `A fault has no ${unknown.join(", ")}; it has ${FAULT_MEMBERS.join(", ")}.`);
    if (!fault.error && !fault.delayMs && !fault.drop && !fault.operationError && !fault.operationHangs) {
      throw rpcError(400, "A fault needs an effect: error, delayMs, drop, operationError or operationHangs.");
    }
    if (fault.drop !== undefined && fault.drop !== "call" && fault.drop !== "answer") {
      throw rpcError(400, `A fault drops the call or the answer; got drop ${JSON.stringify(fault.drop)}.`);
    }
    for (const pattern of [fault.path, fault.query]) requirePattern(pattern);
    const planned = { ...fault, id: fault.id ?? randomUUID() };
    faults.plan(planned);
    return { json: planned };
  }

  async function change(call: Call) {
    const wanted = await call.json<Partial<Settings>>();
    for (const [name, value] of Object.entries(wanted)) {
      if (!Object.hasOwn(settings, name))
        throw rpcError(400, `There is no setting ${name}; there are ${Object.keys(settings).join(", ")}.`);
      if (typeof value !== "number" || value < 0)
        throw rpcError(400, `The setting ${name} is a number of milliseconds; got ${JSON.stringify(value)}.`);
    }
    return { json: Object.assign(settings, wanted) };
  }

  async function preempt(call: Call) {
    const {
      project: owner = project,
      zone,
      instance,
      noticeMs,
    } = await readMembers<{ project?: string; zone?: string; instance?: string; noticeMs?: number }>(call, {
      project: "text",
      zone: "text",
      instance: "text",
      noticeMs: "number",
    });
    const path = `projects/${owner}/zones/${zone}/instances/${instance}`;
    if (!machines.isOn(path)) throw rpcError(404, `No machine runs at ${path}.`);
    void machines.preempt(path, noticeMs);
    return { json: { preempting: path } };
  }

  async function runSchedule(call: Call) {
    const asked = await readMembers<{ project?: string; region?: string; policy?: string; action?: string }>(call, {
      project: "text",
      region: "text",
      policy: "text",
      action: "text",
    });
    const { project: owner = project, region, policy, action } = asked;
    if (action !== "start" && action !== "stop") throw rpcError(400, 'A schedule\'s action is "start" or "stop".');
    const path = `projects/${owner}/regions/${region}/resourcePolicies/${policy}`;
    return { json: { [action]: machines.fireSchedule(path, action) } };
  }

  return new Router()
    .on(
      "GET",
      "/local/v1/health",
      operator(() => ({ json: { project, pid: process.pid } })),
    )
    .on(
      "GET",
      "/local/v1/faults",
      operator(() => ({ json: { faults: faults.list() } })),
    )
    .on("POST", "/local/v1/faults", operator(addFault))
    .on(
      "DELETE",
      "/local/v1/faults",
      operator(() => {
        faults.clear();
        return { json: {} };
      }),
    )
    .on(
      "DELETE",
      "/local/v1/faults/{id}",
      operator((call) => {
        if (!faults.remove(call.params.id ?? "")) throw rpcError(404, `No fault ${call.params.id} is planned.`);
        return { json: {} };
      }),
    )
    .on(
      "GET",
      "/local/v1/settings",
      operator(() => ({ json: settings })),
    )
    .on("PATCH", "/local/v1/settings", operator(change))
    .on("POST", "/local/v1/preempt", operator(preempt))
    .on("POST", "/local/v1/schedules", operator(runSchedule))
    .on(
      "GET",
      "/local/v1/leftovers",
      operator(async (call) => ({ json: await leftovers(options.url, call.query.get("project") ?? project) })),
    )
    .on(
      "PUT",
      "/local/v1/groups/{group}",
      operator(async (call) => {
        const { members = [] } = await readMembers<{ members?: string[] }>(call, { members: "texts" });
        return {
          json: {
            members: state.collection<string[]>("iam.groups").set((call.params.group ?? "").toLowerCase(), members),
          },
        };
      }),
    )
    .on(
      "PUT",
      "/local/v1/unknown-accounts",
      operator(async (call) => {
        const { accounts = [] } = await readMembers<{ accounts?: string[] }>(call, { accounts: "texts" });
        return { json: { accounts: setUnknownAccounts(state, accounts) } };
      }),
    )
    .on(
      "PUT",
      "/local/v1/organizations/{project}",
      operator(async (call) => {
        const { organization = "" } = await readMembers<{ organization?: string }>(call, { organization: "text" });
        if (!/^\d+$/.test(organization)) throw rpcError(400, "An organization is its number, in digits.");
        const owner = findProject(state, call.params.project ?? "").projectId;
        return { json: { project: owner, organization: organizations(state).set(owner, organization) } };
      }),
    )
    .on(
      "POST",
      "/local/v1/quotas",
      operator(async (call) => {
        const {
          project: owner = project,
          region,
          metric = "",
          limit = 0,
        } = await readMembers<{
          project?: string;
          region?: string;
          metric?: string;
          limit?: number;
        }>(call, { project: "text", region: "text", metric: "text", limit: "number" });
        return { json: setQuota(state, { project: owner, region, metric, limit }) };
      }),
    )
    .on(
      "POST",
      "/local/v1/token",
      operator(async (call) => ({
        json: tokens.issue(principalOf(await readMembers<Wanted>(call, { serviceAccount: "text", user: "text" }))),
      })),
    )
    .on(
      "POST",
      "/local/v1/shutdown",
      operator((call) => {
        const { shutdown } = options;
        if (!shutdown)
          throw new GoogleError(400, "failedPrecondition", "This local cloud belongs to its process and ends with it.");
        call.response.on("finish", shutdown);
        return { json: {} };
      }),
    );
}

function requirePattern(pattern: string | undefined): void {
  try {
    new RegExp(pattern ?? "");
  } catch (error) {
    throw rpcError(400, `A fault's path and query are regular expressions: ${(error as Error).message}`);
  }
}

interface Wanted {
  serviceAccount?: string;
  user?: string;
}

function principalOf({ serviceAccount, user }: Wanted): Principal {
  if (serviceAccount) return { kind: "serviceAccount", email: serviceAccount };
  if (user) return { kind: "user", email: user };
  return { kind: "operator" };
}
