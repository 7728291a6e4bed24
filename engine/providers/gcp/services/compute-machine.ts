import type { Context } from "../resource.ts";
import { boolean, type Field, link, list, map, number, object, type Shape, string, strings, zonal } from "../schema.ts";
import { getPath, isObject, type Props, setPath, text } from "../values.ts";

/** What machines and templates of machines have in common: the shapes of their parts. */

const LABEL_KEY = /^[a-z][a-z0-9_-]{0,62}$/;

/** Labels; keys with capitals are refused in a preview already. */
export const labels = (options: Partial<Field> = {}): Field =>
  map({
    refuse: (value) => {
      const wrong = Object.keys(value as Props).find((key) => !LABEL_KEY.test(key));
      return wrong === undefined ? undefined : `"${wrong}" is no label key (lower-case letters, digits, _ and -)`;
    },
    ...options,
  });

/** Metadata: an object here, a list of items in REST. */
export const metadata = (options: Partial<Field> = {}): Field =>
  map({
    encode: (value) => ({ items: Object.entries(value as Props).map(([key, item]) => ({ key, value: String(item) })) }),
    decode: (value) => {
      const items = (value as Props).items as { key: string; value: string }[] | undefined;
      return items?.length ? Object.fromEntries(items.map((item) => [item.key, item.value])) : undefined;
    },
    ...options,
  });

/** Network tags: a list here, an object with a fingerprint in REST. */
export const tags = (options: Partial<Field> = {}): Field =>
  strings({
    unordered: true,
    encode: (value) => ({ items: value }),
    decode: (value) => (value as Props).items,
    ...options,
  });

export const scheduling = (): Field =>
  object(
    {
      preemptible: boolean({ forceNew: true, default: false }),
      automaticRestart: boolean({ default: true }),
      onHostMaintenance: string({ computed: true }),
      provisioningModel: string({ forceNew: true, computed: true }),
      instanceTerminationAction: string({}),
      minNodeCpus: number(),
      availabilityDomain: number(),
      terminationTime: string({ forceNew: true }),
      maxRunDuration: object({ seconds: number({ required: true, int64: true }), nanos: number() }, { forceNew: true }),
      onInstanceStopAction: object({ discardLocalSsd: boolean() }, { forceNew: true }),
      localSsdRecoveryTimeouts: list(
        { seconds: number({ int64: true }), nanos: number() },
        { forceNew: true, local: true },
      ),
      nodeAffinities: list({ key: string(), operator: string(), values: strings() }),
    },
    { computed: true },
  );

export const shielded = (): Field =>
  object(
    {
      enableSecureBoot: boolean({ default: false }),
      enableVtpm: boolean({ default: true }),
      enableIntegrityMonitoring: boolean({ default: true }),
    },
    { computed: true },
  );

export const serviceAccount = (options: Partial<Field> = {}): Field =>
  object(
    {
      email: string({ computed: true }),
      scopes: strings({
        required: true,
        unordered: true,
        encode: (value) => (value as string[]).map((scope) => SCOPES[scope] ?? scope),
      }),
    },
    { rest: "serviceAccounts", listOfOne: true, ...options },
  );

/** gcloud's short names of OAuth scopes that the real provider accepts. */
const SCOPES: Record<string, string> = {
  "cloud-platform": "https://www.googleapis.com/auth/cloud-platform",
  "compute-ro": "https://www.googleapis.com/auth/compute.readonly",
  "compute-rw": "https://www.googleapis.com/auth/compute",
  "logging-write": "https://www.googleapis.com/auth/logging.write",
  "monitoring-write": "https://www.googleapis.com/auth/monitoring.write",
  "storage-full": "https://www.googleapis.com/auth/devstorage.full_control",
  "storage-ro": "https://www.googleapis.com/auth/devstorage.read_only",
  "storage-rw": "https://www.googleapis.com/auth/devstorage.read_write",
};

export const networkInterfaces = (): Field =>
  list({
    network: link("global/networks", { computed: true, forceNew: true }),
    subnetwork: link("regions/{region}/subnetworks", { computed: true, forceNew: true }),
    subnetworkProject: string({ computed: true, local: true }),
    networkIp: string({ rest: "networkIP", computed: true, forceNew: true }),
    nicType: string({ forceNew: true }),
    stackType: string({ computed: true }),
    queueCount: number({ forceNew: true }),
    accessConfigs: list({
      natIp: string({ rest: "natIP", computed: true }),
      networkTier: string({ computed: true }),
      publicPtrDomainName: string({ computed: true }),
    }),
    aliasIpRanges: list({ ipCidrRange: string(), subnetworkRangeName: string() }),
  });

export const guestAccelerators = (type: Field): Field =>
  list(
    { type: { ...type, rest: "acceleratorType" }, count: number({ rest: "acceleratorCount", required: true }) },
    {
      forceNew: true,
      computed: true,
    },
  );

/** The parts of a machine that mean the same in a template (where REST has them under `properties`). */
export function machineShape(prefix: string, zoned: boolean): Shape {
  const at = (name: string) => `${prefix}${name}`;
  const place = (shape: Shape): Shape =>
    Object.fromEntries(
      Object.entries(shape).map(([name, field]) => [name, { ...field, rest: at(field.rest ?? name) }]),
    );
  return place({
    machineType: zoned ? zonal("machineTypes", { required: true }) : string({ required: true }),
    canIpForward: boolean({ forceNew: true, default: false }),
    metadata: metadata(),
    tags: tags(),
    labels: labels({ labels: true }),
    scheduling: scheduling(),
    serviceAccount: serviceAccount(),
    shieldedInstanceConfig: shielded(),
    networkInterfaces: networkInterfaces(),
    guestAccelerators: guestAccelerators(
      zoned ? zonal("acceleratorTypes", { required: true }) : string({ required: true }),
    ),
    minCpuPlatform: string({ computed: true }),
    enableDisplay: boolean({ rest: "displayDevice.enableDisplay" }),
    keyRevocationActionType: string({ forceNew: true }),
    advancedMachineFeatures: object(
      {
        enableNestedVirtualization: boolean(),
        threadsPerCore: number(),
        visibleCoreCount: number(),
        turboMode: string(),
      },
      { forceNew: true },
    ),
    confidentialInstanceConfig: object(
      { enableConfidentialCompute: boolean(), confidentialInstanceType: string() },
      { forceNew: true },
    ),
    reservationAffinity: object(
      { type: string({ rest: "consumeReservationType", required: true }) },
      { forceNew: true, computed: true },
    ),
  });
}

/** `startup-script` comes from an input of its own: it joins the metadata on its way out … */
export function addStartupScript(body: Props, script: unknown, path: string): void {
  if (script === undefined) return;
  const items = ((getPath(body, `${path}.items`) as Props[] | undefined) ?? []).filter(
    ({ key }) => key !== "startup-script",
  );
  setPath(body, path, { items: [...items, { key: "startup-script", value: script }] });
}

/** … and leaves it on its way back, where the program gave it so. */
export function splitStartupScript(inputs: Props, state: Props): Props {
  if (state.metadataStartupScript === undefined || !isObject(inputs.metadata)) return inputs;
  const { "startup-script": metadataStartupScript, ...rest } = inputs.metadata;
  return { ...inputs, metadata: Object.keys(rest).length > 0 ? rest : undefined, metadataStartupScript };
}

/**
 * The relative link of an image that is given in one of the ways that the real provider accepts: a link, `NAME`,
 * `FAMILY`, `PROJECT/NAME`, `PROJECT/FAMILY`, with or without `images/` and `family/` between.
 */
export async function resolveImage(context: Context, image: string): Promise<string> {
  const relative = /(projects\/[^/]+\/global\/images\/.+)$/.exec(image)?.[1];
  const parts = image.split("/").filter((part) => !["global", "images", "family", "projects"].includes(part));
  const name = parts.pop() as string;
  const project = relative?.split("/")[1] ?? parts.pop() ?? imageProject(name) ?? context.place.project;
  const images = `projects/${project}/global/images`;
  if (!/\/family\//.test(`/${image}`)) {
    const found = await context.client.find("compute", `${images}/${name}`);
    if (found) return `${images}/${text(found.name)}`;
  }
  const family = await context.client.find("compute", `${images}/family/${name}`);
  // A family stays a family, as with the real provider: it means what it means when a machine or disk is made.
  if (family) return `${images}/family/${name}`;
  throw new Error(`Could not find image or family ${image}`);
}

/** The public projects whose images the real provider finds by name alone. */
const IMAGE_PROJECTS: Record<string, string> = {
  debian: "debian-cloud",
  ubuntu: "ubuntu-os-cloud",
  cos: "cos-cloud",
  rocky: "rocky-linux-cloud",
};

function imageProject(name: string): string | undefined {
  return IMAGE_PROJECTS[name.split("-")[0] as string];
}
