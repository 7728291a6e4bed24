import { GoogleError } from "../../core/errors.ts";
import type { Call, Reply, Router } from "../../core/http.ts";
import { addReading, allowQuery, base, pathIn, storedPath } from "./collection.ts";
import { removeDisk } from "./content.ts";
import { type Compute, where } from "./context.ts";
import { buildInstance } from "./instanceBuild.ts";
import { pathOf, referred } from "./links.ts";
import { requireName } from "./rules.ts";
import { type Json, readBody } from "./schema.ts";
import { INSTANCE } from "./shapes/machine.ts";
import { overTemplate } from "./templates.ts";
import type { Disk, Instance } from "./types.ts";

const ROOT = `${base("zones")}/instances`;

export function addInstances(router: Router, compute: Compute): void {
  addReading(router, compute, { plural: "instances", singular: "instance", scope: "zones" });
  router.on("POST", ROOT, (call) => insert(compute, call));
  router.on("DELETE", `${ROOT}/{name}`, (call) => remove(compute, call));
}

async function insert(compute: Compute, call: Call): Promise<Reply> {
  allowQuery(call, "requestId", "sourceInstanceTemplate");
  const at = where(call);
  const raw = await call.json();
  const repeated = compute.repeated(call, at.project);
  if (repeated) return repeated;
  let body = readBody(INSTANCE, raw);
  const path = `projects/${at.project}/${at.place}/instances/${requireName(body.name)}`;
  compute.requireOn(call, "compute.instances.create", path);
  const templateText = call.query.get("sourceInstanceTemplate");
  if (templateText !== null) body = overTemplate(template(compute, call, templateText, at.project), body, at);
  requireRights(compute, call, path, body);
  compute.absent(path);
  const { instance, disks } = buildInstance(compute, body, { ...at, path, call });
  return compute.begin(call, {
    type: "insert",
    target: path,
    targetId: instance.id,
    accepted: () => {
      for (const [diskPath, disk] of disks) compute.save(diskPath, disk);
      for (const { source } of instance.disks) attach(compute, source, instance.selfLink);
      compute.save(path, instance);
    },
    run: async () => {
      try {
        await compute.machines.start(path);
      } catch (error) {
        // As at Google, a machine that could not be started leaves nothing behind.
        if (compute.find(path)?.id === instance.id) {
          compute.machines.condemn(path);
          await compute.machines.remove(path);
        }
        for (const [diskPath, disk] of disks) {
          if (compute.find(diskPath)?.id === disk.id) removeDisk(compute.cloud.state, diskPath);
        }
        throw error;
      }
    },
  });
}

function attach(compute: Compute, source: string, user: string): void {
  const disk = compute.get(pathOf(source)) as Disk;
  compute.save(pathOf(source), { ...disk, users: [user], lastAttachTimestamp: compute.time() });
}

function template(compute: Compute, call: Call, text: string, project: string) {
  const path = referred(text, "sourceInstanceTemplate", project, "instanceTemplates");
  const found = compute.referent(path, "sourceInstanceTemplate", text, "instance template");
  compute.requireOn(call, "compute.instanceTemplates.useReadOnly", storedPath(compute, path));
  return found;
}

/** Rights on the new machine that its parts need besides `create`; which ones is from general knowledge. */
function requireRights(compute: Compute, call: Call, path: string, body: Json): void {
  const needs: [string, unknown][] = [
    ["setMetadata", (body.metadata as Json | undefined)?.items],
    ["setTags", (body.tags as Json | undefined)?.items],
    ["setLabels", body.labels],
    ["setServiceAccount", body.serviceAccounts],
  ];
  for (const [verb, value] of needs) {
    if (Object.keys(value ?? {}).length > 0) compute.requireOn(call, `compute.instances.${verb}`, path);
  }
}

function remove(compute: Compute, call: Call): Reply {
  allowQuery(call, "requestId", "noGracefulShutdown");
  const { project } = where(call);
  const repeated = compute.repeated(call, project);
  if (repeated) return repeated;
  const path = storedPath(compute, pathIn(call, "instances"));
  compute.requireOn(call, "compute.instances.delete", path);
  const instance = compute.get(path) as Instance;
  if (instance.deletionProtection) {
    throw new GoogleError(
      400,
      "invalidResourceUsage",
      `Invalid resource usage: 'Resource cannot be deleted if it's protected against deletion. Clear the deletion protection of '${path}' first.'`,
    );
  }
  return compute.begin(call, {
    type: "delete",
    target: path,
    targetId: instance.id,
    accepted: () => compute.machines.condemn(path),
    run: async () => {
      if (compute.find(path)?.id === instance.id) await compute.machines.remove(path);
    },
  });
}
