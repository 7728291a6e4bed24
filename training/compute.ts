import type { compute_v1 } from "@googleapis/compute/build/v1.js";
import { login } from "./auth.ts";
import { computeRoot } from "./endpoints.ts";
import { statusOf } from "./errors.ts";

export type Instance = compute_v1.Schema$Instance;
export type Operation = compute_v1.Schema$Operation;
export type TemplateProperties = compute_v1.Schema$InstanceProperties;

/** The calls of Compute Engine that running a training needs. Errors are the official client's own. */
export interface Compute {
  template(project: string, name: string): Promise<TemplateProperties>;
  insert(
    project: string,
    zone: string,
    call: { template: string; requestId: string; instance: Instance },
  ): Promise<Operation>;
  operation(project: string, zone: string, name: string): Promise<Operation>;
  /** `undefined` if there is none. */
  instance(project: string, zone: string, name: string): Promise<Instance | undefined>;
  /** Nothing happens if there is none. */
  remove(project: string, zone: string, name: string): Promise<void>;
}

type Options = ConstructorParameters<typeof compute_v1.Compute>[0];

/** Google's official client, only the part for version 1, loaded when it is first needed. */
export function computeClient(): () => Promise<compute_v1.Compute> {
  let client: Promise<compute_v1.Compute> | undefined;
  return () => {
    client ??= Promise.all([import("@googleapis/compute/build/v1.js"), login()]).then(([{ compute_v1 }, auth]) => {
      const rootUrl = computeRoot();
      // The client's own retries are off: what is tried again, and for how long, is decided by the engine.
      const options = { auth, retry: false, timeout: 60_000, ...(rootUrl ? { rootUrl } : {}) };
      // The client is typed against another version of the same library; it only ever calls `auth.request`.
      return new compute_v1.Compute(options as unknown as Options);
    });
    return client;
  };
}

export function googleCompute(): Compute {
  const api = computeClient();
  return {
    async template(project, instanceTemplate) {
      const { data } = await (await api()).instanceTemplates.get({ project, instanceTemplate });
      return data.properties ?? {};
    },
    async insert(project, zone, { template, requestId, instance }) {
      const { data } = await (await api()).instances.insert({
        project,
        zone,
        requestId,
        sourceInstanceTemplate: `projects/${project}/global/instanceTemplates/${template}`,
        requestBody: instance,
      });
      return data;
    },
    async operation(project, zone, operation) {
      return (await (await api()).zoneOperations.get({ project, zone, operation })).data;
    },
    async instance(project, zone, instance) {
      try {
        return (await (await api()).instances.get({ project, zone, instance })).data;
      } catch (error) {
        if (statusOf(error) === 404) return undefined;
        throw error;
      }
    },
    async remove(project, zone, instance) {
      try {
        await (await api()).instances.delete({ project, zone, instance });
      } catch (error) {
        if (statusOf(error) !== 404) throw error;
      }
    },
  };
}
