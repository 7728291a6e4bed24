interface Page {
  nextPageToken?: string;
  warning?: unknown;
  [member: string]: unknown;
}

interface Named {
  name: string;
  [member: string]: unknown;
}

/** Everything that a project holds, by kind; kinds of which there is none are absent. */
export interface Leftovers {
  project: string;
  /** Names by kind, for example `compute.instances`; `ZONE/NAME` where a kind has zones or regions. */
  resources: Record<string, string[]>;
  /** Members of the project's policy, as `role member`. */
  bindings: string[];
  /** What nobody can remove earlier, with the date on which it goes. */
  softDeleted: { kind: string; name: string; until: string }[];
}

const GLOBAL = ["networks", "firewalls", "routes", "instanceTemplates", "images", "addresses", "snapshots"];
const AGGREGATED = ["instances", "disks", "addresses", "subnetworks", "routers", "resourcePolicies"];

/** Asks the services as any client would, so that what it says can be checked with Google's own tools. */
export async function leftovers(url: string, project: string): Promise<Leftovers> {
  const resources: Record<string, string[]> = {};
  const add = (kind: string, names: string[]) => {
    if (names.length > 0) resources[kind] = [...(resources[kind] ?? []), ...names].sort();
  };
  const compute = `${url}/compute/v1/projects/${project}`;
  for (const kind of GLOBAL) {
    const items = await pages<Named>(`${compute}/global/${kind}`, "items", { absent: [404, 501, 403] });
    add(
      `compute.${kind}`,
      items.filter((item) => !isImplied(kind, item)).map(({ name }) => name),
    );
  }
  for (const kind of AGGREGATED) {
    for (const [place, group] of await scopes(`${compute}/aggregated/${kind}`)) {
      const found = group[kind];
      if (Array.isArray(found))
        add(
          `compute.${kind}`,
          (found as Named[]).map(({ name }) => `${place.replace(/^\w+\//, "")}/${name}`),
        );
    }
  }
  const buckets = await pages<Named>(`${url}/storage/v1/b?project=${project}`, "items");
  add(
    "storage.buckets",
    buckets.map(({ name }) => name),
  );
  const accounts = await pages<{ email: string }>(`${url}/iam/v1/projects/${project}/serviceAccounts`, "accounts", {
    absent: [403],
  });
  add(
    "iam.serviceAccounts",
    accounts.map(({ email }) => email),
  );
  const roles = await pages<Named & { deleted?: boolean }>(
    `${url}/iam/v1/projects/${project}/roles?showDeleted=true`,
    "roles",
    { absent: [403] },
  );
  add(
    "iam.roles",
    roles.filter(({ deleted }) => !deleted).map(({ name }) => name.split("/").at(-1) ?? name),
  );
  const clusters = await pages<Named & { location: string }>(
    `${url}/container/v1/projects/${project}/locations/-/clusters`,
    "clusters",
    { absent: [403] },
  );
  add(
    "container.clusters",
    clusters.map(({ name, location }) => `${location}/${name}`),
  );
  const gone = await pages<Named>(`${url}/storage/v1/b?project=${project}&softDeleted=true`, "items");
  const policy = await call<{ bindings?: { role: string; members: string[] }[] }>(
    `${url}/crm/v1/projects/${project}:getIamPolicy`,
    "POST",
    {
      options: { requestedPolicyVersion: 3 },
    },
  );
  return {
    project,
    resources,
    bindings: (policy.bindings ?? [])
      .flatMap(({ role, members }) => members.map((member) => `${role} ${member}`))
      .sort(),
    softDeleted: gone.map(({ name, hardDeleteTime }) => ({
      kind: "storage.buckets",
      name,
      until: String(hardDeleteTime),
    })),
  };
}

/** Routes that come and go with a network or subnetwork are no resources of their own. */
function isImplied(kind: string, item: Named): boolean {
  return kind === "routes" && (item.nextHopNetwork !== undefined || /^default-route-/.test(item.name));
}

async function scopes(address: string): Promise<[string, Record<string, unknown>][]> {
  const found: [string, Record<string, unknown>][] = [];
  let token: string | undefined;
  do {
    const page = await call<Page & { items?: Record<string, Record<string, unknown>> }>(
      withToken(address, token),
      "GET",
      undefined,
      [404, 403],
    );
    found.push(...Object.entries(page.items ?? {}));
    token = page.nextPageToken;
  } while (token);
  return found;
}

async function pages<T>(address: string, member: string, { absent = [] }: { absent?: number[] } = {}): Promise<T[]> {
  const found: T[] = [];
  let token: string | undefined;
  do {
    const page: Page = await call<Page>(withToken(address, token), "GET", undefined, absent);
    found.push(...((page[member] as T[] | undefined) ?? []));
    token = page.nextPageToken;
  } while (token);
  return found;
}

function withToken(address: string, token: string | undefined): string {
  return token ? `${address}${address.includes("?") ? "&" : "?"}pageToken=${encodeURIComponent(token)}` : address;
}

/** `absent`: answers that mean that there is nothing of this kind (its API is not enabled). */
async function call<T>(address: string, method: string, body?: unknown, absent: number[] = []): Promise<T> {
  const response = await fetch(address, {
    method,
    ...(body === undefined ? {} : { body: JSON.stringify(body), headers: { "content-type": "application/json" } }),
  });
  if (absent.includes(response.status)) return {} as T;
  if (!response.ok) throw new Error(`${method} ${address} answered ${response.status}: ${await response.text()}`);
  return (await response.json()) as T;
}
