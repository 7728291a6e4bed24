import type { compute_v1 } from "@googleapis/compute/build/v1.js";
import { computeRoot } from "./endpoints.ts";
import { statusOf } from "./errors.ts";
import { computeLogin } from "./impersonate.ts";

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
  /** The operation when it has ended, or as it is after some seconds; `undefined` if there was no answer by then. */
  wait(project: string, zone: string, name: string): Promise<Operation | undefined>;
  /** `undefined` if there is none. */
  instance(project: string, zone: string, name: string): Promise<Instance | undefined>;
  /** Nothing happens if there is none. Returns when Google has taken the request: the machine goes a little later. */
  remove(project: string, zone: string, name: string): Promise<void>;
  /** The machines of a run, wherever they are, by their label. */
  machinesOf(project: string, run: string): Promise<{ name: string; zone: string; status: string }[]>;
  /** Whether Google has taken this machine back, as its operations say, also of a machine that is gone. */
  preempted(project: string, zone: string, name: string): Promise<boolean>;
  /** `projects/P/global/images/NAME` of a family's newest image. */
  newestOf(project: string, family: string): Promise<string>;
  /** What the machine wrote to its first serial port, as far as it is kept; `undefined` if there is no machine. */
  console(project: string, zone: string, name: string): Promise<string | undefined>;
}

/** The type of the operation that Google itself starts when it takes a Spot machine back (from general knowledge). */
const PREEMPTED = "compute.instances.preempted";
const WAIT_MS = 15_000;

function isTimeout(error: unknown): boolean {
  const { name, code, cause } = (error ?? {}) as { name?: unknown; code?: unknown; cause?: unknown };
  return /abort|timeout|timedout/i.test(`${name} ${code}`) || (cause !== undefined && isTimeout(cause));
}

type Options = ConstructorParameters<typeof compute_v1.Compute>[0];

/** Google's official client, only the part for version 1, loaded when it is first needed. */
export function computeClient(): () => Promise<compute_v1.Compute> {
  let client: Promise<compute_v1.Compute> | undefined;
  return () => {
    client ??= Promise.all([import("@googleapis/compute/build/v1.js"), computeLogin()]).then(
      ([{ compute_v1 }, auth]) => {
        const rootUrl = computeRoot();
        // The client's own retries are off: what is tried again, and for how long, is decided by the engine.
        const options = { auth, retry: false, timeout: 60_000, ...(rootUrl ? { rootUrl } : {}) };
        // The client is typed against another version of the same library; it only ever calls `auth.request`.
        return new compute_v1.Compute(options as unknown as Options);
      },
    );
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
    async wait(project, zone, operation) {
      try {
        // Google holds the answer back for two minutes; a launcher has to give signs of life in between.
        const call = (await api()).zoneOperations.wait({ project, zone, operation }, { timeout: WAIT_MS });
        return (await call).data;
      } catch (error) {
        if (statusOf(error) === undefined && isTimeout(error)) return undefined;
        throw error;
      }
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
    async machinesOf(project, run) {
      const filter = `labels.mlt-run = "${run}"`;
      const { data } = await (await api()).instances.aggregatedList({ project, filter, returnPartialSuccess: true });
      return Object.values(data.items ?? {}).flatMap(({ instances = [] }) =>
        instances.map(({ name, zone, status }) => ({
          name: String(name),
          zone: String(zone).split("/").at(-1)!,
          status: String(status),
        })),
      );
    },
    async preempted(project, zone, name) {
      const filter = `operationType = "${PREEMPTED}"`;
      const { data } = await (await api()).zoneOperations.list({ project, zone, filter });
      return (data.items ?? []).some(
        ({ operationType, targetLink }) => operationType === PREEMPTED && targetLink?.endsWith(`/instances/${name}`),
      );
    },
    async newestOf(project, family) {
      const { data } = await (await api()).images.getFromFamily({ project, family });
      return `projects/${project}/global/images/${data.name}`;
    },
    async console(project, zone, instance) {
      try {
        const { data } = await (await api()).instances.getSerialPortOutput({ project, zone, instance, port: 1 });
        return data.contents ?? "";
      } catch (error) {
        if (statusOf(error) === 404) return undefined;
        throw error;
      }
    },
  };
}
