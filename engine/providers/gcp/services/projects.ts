import { policyMember } from "../policy.ts";
import type { Context, Found, ResourceType } from "../resource.ts";
import { boolean, type Shape, string } from "../schema.ts";
import { isObject, type Props, text } from "../values.ts";

const POLL_MS = 100;

const serviceShape: Shape = {
  service: string({ required: true, forceNew: true, pattern: /^[a-z0-9-]+(\.[a-z0-9-]+)+$/ }),
  project: string({ forceNew: true, computed: true, local: true }),
  disableOnDestroy: boolean({ local: true }),
  disableDependentServices: boolean({ local: true }),
  checkIfServiceHasUsageOnDestroy: boolean({ local: true }),
};

/** Service Usage is called beside its endpoint's version, as the real provider does. */
function services(project: string): string {
  return `~/v1/projects/${project}/services`;
}

async function enabled(context: Context, project: string, service: string): Promise<boolean> {
  let pageToken: string | undefined;
  do {
    const page = await context.client.get("serviceUsage", services(project), {
      filter: "state:ENABLED",
      fields: "services/config/name,services/name,services/state,nextPageToken",
      pageToken,
    });
    const names = ((page.services as Props[] | undefined) ?? []).map(({ name }) => text(name).split("/").pop());
    if (names.includes(service)) return true;
    pageToken = page.nextPageToken === undefined ? undefined : text(page.nextPageToken) || undefined;
  } while (pageToken);
  return false;
}

async function finished(context: Context, started: Props): Promise<void> {
  const deadline = Date.now() + context.timeoutMs;
  let operation = started;
  while (operation.done !== true) {
    if (Date.now() > deadline) throw new Error(`Error waiting for ${text(operation.name)}: timeout`);
    await new Promise((resolve) => setTimeout(resolve, POLL_MS));
    operation = await context.client.get("serviceUsage", `~/v1/${text(started.name)}`);
  }
  if (isObject(operation.error)) {
    throw new Error(`Error code ${text(operation.error.code)}, message: ${text(operation.error.message)}`);
  }
}

function foundService(project: string, service: string): Found {
  return { id: `${project}/${service}`, outputs: { project }, inputs: { service, project } };
}

const service: ResourceType = {
  token: "gcp:projects/service:Service",
  shape: serviceShape,
  computed: [],

  async create(context, inputs) {
    const { project } = context.place;
    const name = text(inputs.service);
    if (!(await enabled(context, project, name))) {
      await finished(context, await context.client.post("serviceUsage", `${services(project)}/${name}:enable`));
      const deadline = Date.now() + context.timeoutMs;
      while (!(await enabled(context, project, name))) {
        if (Date.now() > deadline) throw new Error(`Error waiting for ${name} to be enabled: timeout`);
        await new Promise((resolve) => setTimeout(resolve, POLL_MS));
      }
    }
    return foundService(project, name);
  },

  async read(context, id) {
    const [project, name] = id.split("/") as [string, string];
    return (await enabled(context, project, name)) ? foundService(project, name) : undefined;
  },

  async update(_context, id) {
    const [project, name] = id.split("/") as [string, string];
    return foundService(project, name);
  },

  async delete(context, id, state) {
    if (state.disableOnDestroy !== true) return;
    const [project, name] = id.split("/") as [string, string];
    const body = { disableDependentServices: state.disableDependentServices === true };
    await finished(context, await context.client.post("serviceUsage", `${services(project)}/${name}:disable`, body));
  },
};

const projectIamMember = policyMember({
  token: "gcp:projects/iAMMember:IAMMember",
  owner: {
    property: "project",
    shape: { project: string({ required: true, forceNew: true }) },
    prefix: (name) => name,
  },
  deleteBeforeReplace: true,
  get: (context, name) =>
    context.client.post("resourceManager", `~/v1/projects/${name}:getIamPolicy`, {
      options: { requestedPolicyVersion: 3 },
    }),
  set: (context, name, policy) =>
    context.client.post("resourceManager", `~/v1/projects/${name}:setIamPolicy`, { policy }),
});

export const projectTypes: ResourceType[] = [service, projectIamMember];
