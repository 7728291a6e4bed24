import { randomUUID } from "node:crypto";
import { readMembers } from "../../core/body.ts";
import type { Cloud } from "../../core/cloud.ts";
import { type GoogleError, notModelled, rpcError } from "../../core/errors.ts";
import { type Call, type Reply, Router } from "../../core/http.ts";
import { projectResource } from "../resourcemanager/index.ts";
import { type Project, project } from "../resourcemanager/projects.ts";
import { SERVICES } from "./catalogue.ts";
import { enable, enabledServices, isEnabled } from "./enabled.ts";

interface DisableRequest {
  disableDependentServices?: boolean;
  /** Checks nothing here: nobody counts the calls. */
  checkIfServiceHasUsage?: string;
}

export interface ServiceUsageSettings {
  /** Calls to an API are refused for so long after it was enabled. */
  serviceEnableDelayMs: number;
}

const MAX_PAGE = 200;
/** Google's limit on one batch. */
const MAX_BATCH = 20;

/** Service Usage v1: which APIs a project has enabled. */
export function serviceUsageService(cloud: Cloud, settings: ServiceUsageSettings): Router {
  const { state, access } = cloud;
  const operations = state.collection<unknown>("serviceusage.operations");

  function authorised(call: Call, permission: string): Project {
    const found = project(state, call.params.project ?? "");
    access.require(call.principal, permission, { ...projectResource(found), service: "serviceusage.googleapis.com" });
    return found;
  }

  function describe({ projectId, projectNumber }: Project, service: string): Record<string, unknown> {
    return {
      name: `projects/${projectNumber}/services/${service}`,
      config: { name: service, title: SERVICES[service]?.title ?? service },
      state: isEnabled(state, projectId, service) ? "ENABLED" : "DISABLED",
      parent: `projects/${projectNumber}`,
    };
  }

  function list(call: Call): Reply {
    const found = authorised(call, "serviceusage.services.list");
    const filter = call.query.get("filter") ?? "";
    const wanted = /^(?:state:(ENABLED|DISABLED))?$/.exec(filter.trim());
    if (!wanted) throw notModelled(`the filter ${filter} of services.list`);
    const asked = Number(call.query.get("pageSize") || 50);
    if (!Number.isInteger(asked) || asked < 0) throw rpcError(400, `Invalid page size: ${call.query.get("pageSize")}.`);
    const size = Math.min(asked || 50, MAX_PAGE);
    const from = Number(call.query.get("pageToken") || 0);
    if (!Number.isInteger(from) || from < 0) throw rpcError(400, "Invalid page token.");
    const services = Object.keys(SERVICES)
      .map((name) => describe(found, name))
      .filter((service) => wanted[1] === undefined || service.state === wanted[1]);
    const next = from + size < services.length ? { nextPageToken: String(from + size) } : {};
    return { json: { services: services.slice(from, from + size), ...next } };
  }

  function switchOn(found: Project, services: string[]): void {
    const missing = services.filter((name) => !SERVICES[name]);
    if (missing.length > 0) throw unknownService(missing);
    for (const service of services) {
      const effectiveAt = cloud.now() + settings.serviceEnableDelayMs;
      if (!isEnabled(state, found.projectId, service)) enable(state, found.projectId, service, effectiveAt);
      switchOn(found, [...(SERVICES[service]?.needs ?? [])]);
    }
  }

  function done({ projectNumber }: Project, type: string, response: Record<string, unknown>, names: string[]): Reply {
    const name = `operations/${type === "Enable" ? "acat" : "acf"}.p2-${projectNumber}-${randomUUID()}`;
    const operation = {
      name,
      metadata: {
        "@type": "type.googleapis.com/google.api.serviceusage.v1.OperationMetadata",
        resourceNames: names.map((service) => `projects/${projectNumber}/services/${service}`),
      },
      done: true,
      response: { "@type": `type.googleapis.com/google.api.serviceusage.v1.${type}ServiceResponse`, ...response },
    };
    operations.set(name, operation);
    return { json: operation };
  }

  function switchOff(found: Project, service: string, dependents: boolean): void {
    const needing = Object.entries(SERVICES)
      .filter(([name, entry]) => entry.needs?.includes(service) && isEnabled(state, found.projectId, name))
      .map(([name]) => name);
    if (needing.length > 0 && !dependents) {
      throw rpcError(
        400,
        `The service ${service} is depended on by the following active service(s): ${needing.join(", ")}; Please specify ` +
          "disableDependentServices=true if you want to proceed with disabling all services.",
        "FAILED_PRECONDITION",
      );
    }
    for (const name of needing) switchOff(found, name, true);
    enabledServices(state).delete(`${found.projectId}/${service}`);
  }

  return new Router()
    .on("GET", "/su/v1/projects/{project}/services", list)
    .on("GET", "/su/v1/projects/{project}/services/{service}", (call) => {
      const found = authorised(call, "serviceusage.services.get");
      return { json: describe(found, known(call)) };
    })
    .on("GET", "/su/v1/projects/{project}/services:batchGet", (call) => {
      const found = authorised(call, "serviceusage.services.get");
      const names = call.query.getAll("names").map((name) => name.split("/").at(-1) ?? "");
      const missing = names.filter((name) => !SERVICES[name]);
      if (missing.length > 0) throw unknownService(missing);
      return { json: { services: names.map((name) => describe(found, name)) } };
    })
    .on("POST", "/su/v1/projects/{project}/services/{service}:enable", (call) => {
      const found = authorised(call, "serviceusage.services.enable");
      const service = known(call);
      switchOn(found, [service]);
      return done(found, "Enable", { service: describe(found, service) }, [service]);
    })
    .on("POST", "/su/v1/projects/{project}/services:batchEnable", async (call) => {
      const found = authorised(call, "serviceusage.services.enable");
      const { serviceIds = [] } = await readMembers<{ serviceIds?: string[] }>(call, { serviceIds: "texts" });
      if (serviceIds.length === 0 || serviceIds.length > MAX_BATCH) {
        throw rpcError(400, `A batch enables 1 to ${MAX_BATCH} services; got ${serviceIds.length}.`);
      }
      switchOn(found, serviceIds);
      const services = serviceIds.map((service) => describe(found, service));
      const reply = { "@type": "type.googleapis.com/google.api.serviceusage.v1.BatchEnableServicesResponse", services };
      return done(found, "Enable", reply, serviceIds);
    })
    .on("POST", "/su/v1/projects/{project}/services/{service}:disable", async (call) => {
      const found = authorised(call, "serviceusage.services.disable");
      const service = known(call);
      const { disableDependentServices = false } = await readMembers<DisableRequest>(call, {
        disableDependentServices: "truth",
        checkIfServiceHasUsage: "text",
      });
      if (!isEnabled(state, found.projectId, service)) {
        throw rpcError(400, `The service ${service} is not enabled and cannot be disabled.`, "FAILED_PRECONDITION");
      }
      switchOff(found, service, disableDependentServices);
      return done(found, "Disable", { service: describe(found, service) }, [service]);
    })
    .on("GET", "/su/v1/operations/{operation}", (call) => {
      const operation = operations.get(`operations/${call.params.operation}`);
      if (!operation) throw rpcError(404, `Operation operations/${call.params.operation} not found.`);
      return { json: operation };
    });
}

function known(call: Call): string {
  const service = call.params.service ?? "";
  if (!SERVICES[service]) throw unknownService([service]);
  return service;
}

/** Google says 403 for a service that does not exist; whether it does, only Google knows. */
function unknownService(names: string[]): GoogleError {
  const odd = names.find((name) => !/^[a-z][-a-z0-9]*\.(googleapis\.com|[-a-z0-9.]+)$/.test(name));
  if (odd !== undefined) return rpcError(400, `Invalid service name: ${JSON.stringify(odd)}.`);
  return notModelled(`the service ${names.join(", ")}`);
}
