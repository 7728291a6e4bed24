import { GoogleError, notModelled } from "../../core/errors.ts";
import type { Call, Reply, Router } from "../../core/http.ts";
import { allowQuery, onOne, pathIn, relabel, storedPath } from "./collection.ts";
import { type Compute, requireFingerprint, where } from "./context.ts";
import { readServiceAccounts, stampMetadata, stampTags } from "./instanceBuild.ts";
import { invalid, lastPart, link, referred } from "./links.ts";
import { readAccelerators, readScheduling, requireMachineType } from "./machineRules.ts";
import { requireMetadata, requireTags } from "./rules.ts";
import { type Json, readBody, type Shape } from "./schema.ts";
import { METADATA, SCHEDULING, SERVICE_ACCOUNT, TAGS } from "./shapes/machine.ts";
import type { Instance, Scheduling } from "./types.ts";

export interface Target {
  call: Call;
  path: string;
  instance: Instance;
  body: Json;
}

type Change = (target: Target) => Partial<Instance>;

/** Adds start, stop and all that changes an instance. */
export function addInstanceActions(router: Router, compute: Compute): void {
  const { machines } = compute;
  const power = (
    verb: string,
    work: (path: string) => Promise<void>,
    check: (instance: Instance) => void = () => {},
  ) => {
    const ask: Work = ({ call, path, instance }) => {
      check(instance);
      return begin(compute, call, verb, path, instance, () => work(path));
    };
    action(router, compute, verb, {}, ask, "noGracefulShutdown");
  };
  power("start", (path) => machines.start(path));
  power("stop", (path) => machines.stop(path));
  power("reset", (path) => machines.reset(path), requireRunning);
  power(
    "simulateMaintenanceEvent",
    (path) => {
      const spot = (compute.get(path) as Instance).scheduling.preemptible;
      return spot ? machines.preempt(path) : machines.maintain(path);
    },
    requireRunning,
  );

  action(router, compute, "setLabels", { labels: "map", labelFingerprint: "string" }, ({ call, path, body }) =>
    relabel(compute, call, path, body),
  );
  change(router, compute, "setMetadata", METADATA, ({ instance, body }) => {
    const sentence = "Supplied fingerprint does not match current metadata fingerprint.";
    requireFingerprint(instance.metadata.fingerprint, body.fingerprint, sentence);
    requireMetadata(body.items);
    return { metadata: stampMetadata(body) };
  });
  change(router, compute, "setTags", TAGS, ({ instance, body }) => {
    requireFingerprint(
      instance.tags.fingerprint,
      body.fingerprint,
      "Supplied fingerprint does not match current tags fingerprint.",
    );
    requireTags(body.items);
    return { tags: stampTags(body) };
  });
  change(router, compute, "setMachineType", { machineType: "string" }, (target) => machineTypeChange(target));
  change(router, compute, "setScheduling", SCHEDULING, (target) => schedulingChange(compute, target));
  change(router, compute, "setServiceAccount", SERVICE_ACCOUNT, ({ call, instance, body }) => {
    requireStopped(instance, "The service account");
    const { project } = where(call);
    const wanted = body.email === undefined ? [] : [body];
    const serviceAccounts = readServiceAccounts(compute, call, wanted, project, "resource");
    return { serviceAccounts: serviceAccounts.length > 0 ? serviceAccounts : undefined };
  });
  const protection: Work = ({ call, path, instance }) => {
    const deletionProtection = truth(call, "deletionProtection", true);
    return begin(compute, call, "setDeletionProtection", path, instance, () => {
      compute.save(path, { ...compute.get(path), deletionProtection });
    });
  };
  action(router, compute, "setDeletionProtection", {}, protection, "deletionProtection");
  for (const verb of ["suspend", "resume", "updateAccessConfig", "updateNetworkInterface"]) {
    onOne(router, "zones", "instances", "POST", verb, () => {
      throw notModelled(`instances.${verb}`);
    });
  }
}

type Work = (target: Target) => Reply;

export function begin(
  compute: Compute,
  call: Call,
  type: string,
  path: string,
  instance: Instance,
  run: () => Promise<void> | void,
): Reply {
  return compute.begin(call, { type, target: path, targetId: instance.id, run });
}

/** A boolean of the query: gcloud writes `False`. */
export function truth(call: Call, name: string, absent: boolean): boolean {
  const text = call.query.get(name);
  if (text === null || text === "") return absent;
  if (/^(true|1)$/i.test(text)) return true;
  if (/^(false|0)$/i.test(text)) return false;
  throw invalid(name, text, "Must be true or false.");
}

/** `POST instances/NAME/VERB` with a body of the given shape, under the permission of the verb's name. */
export function action(
  router: Router,
  compute: Compute,
  verb: string,
  shape: Shape,
  work: Work,
  /** Further query parameters. */
  ...query: string[]
): void {
  onOne(router, "zones", "instances", "POST", verb, async (call) => {
    allowQuery(call, "requestId", ...query);
    const { project } = where(call);
    const raw = await call.json();
    const repeated = compute.repeated(call, project);
    if (repeated) return repeated;
    const body = readBody(shape, raw);
    const path = storedPath(compute, pathIn(call, "instances"));
    compute.requireOn(call, `compute.instances.${verb}`, path);
    return work({ call, path, body, instance: compute.get(path) as Instance });
  });
}

/** An action that replaces members of the instance. */
function change(router: Router, compute: Compute, verb: string, shape: Shape, work: Change): void {
  action(router, compute, verb, shape, (target) => {
    const { call, path, instance } = target;
    const members = work(target);
    return begin(compute, call, verb, path, instance, () => {
      compute.save(path, { ...compute.get(path), ...members });
      compute.machines.changed(path);
    });
  });
}

function requireRunning(instance: Instance): void {
  if (instance.status === "RUNNING") return;
  throw new GoogleError(
    400,
    "resourceNotReady",
    `The resource '${instance.name}' is not ready: it is ${instance.status}.`,
  );
}

export function requireStopped(instance: Instance, what: string): void {
  if (instance.status === "TERMINATED") return;
  throw new GoogleError(
    400,
    "invalidResourceUsage",
    `Invalid resource usage: '${what} can be changed only while the instance is stopped; it is ${instance.status}.'`,
  );
}

function machineTypeChange({ call, instance, body }: Target): Partial<Instance> {
  requireStopped(instance, "The machine type");
  const { project, place } = where(call);
  const zone = lastPart(place);
  const text = String(body.machineType ?? "");
  const path = referred(text, "machineType", project, "machineTypes");
  if (!path.includes(`/${place}/`)) throw invalid("machineType", text, `The machine type is not in zone ${zone}.`);
  const name = lastPart(path);
  const shape = requireMachineType(name, zone, "machineType", text);
  const given = (instance.guestAccelerators ?? []) as unknown as Json[];
  readAccelerators(given, shape, name, zone, "resource.guestAccelerators");
  return { machineType: link(path) };
}

const WHILE_RUNNING = ["onHostMaintenance", "automaticRestart", "instanceTerminationAction"];
const FOR_GOOD = ["preemptible", "provisioningModel"];

function schedulingChange(compute: Compute, { instance, body }: Target): Partial<Instance> {
  const changed = Object.keys(body).filter((name) => {
    return JSON.stringify(body[name]) !== JSON.stringify(instance.scheduling[name as keyof Scheduling]);
  });
  for (const name of changed) {
    if (FOR_GOOD.includes(name)) throw invalid(`scheduling.${name}`, body[name], "The field cannot be changed.");
    if (!WHILE_RUNNING.includes(name)) requireStopped(instance, `scheduling.${name}`);
  }
  const hasGpu = (instance.guestAccelerators ?? []).length > 0;
  const merged: Json = { ...instance.scheduling, ...body };
  if ("terminationTime" in body) delete merged.maxRunDuration;
  if ("maxRunDuration" in body) delete merged.terminationTime;
  return { scheduling: readScheduling(merged, "scheduling", hasGpu, compute.cloud.now()) };
}
