import type { Change } from "../../protocol.ts";
import type { Context, ResourceType } from "../resource.ts";
import { boolean, list, map, number, object, type Shape, string } from "../schema.ts";
import { isObject, type Props, text } from "../values.ts";
import { computeResource } from "./compute-collection.ts";
import { addStartupScript, machineShape, resolveImage, splitStartupScript } from "./compute-machine.ts";

const disks: Shape[string] = list(
  {
    autoDelete: boolean({ default: true }),
    boot: boolean({ computed: true }),
    deviceName: string({ computed: true }),
    diskName: string({ rest: "initializeParams.diskName" }),
    diskSizeGb: number({ rest: "initializeParams.diskSizeGb", int64: true, computed: true }),
    diskType: string({ rest: "initializeParams.diskType", computed: true }),
    labels: map({ rest: "initializeParams.labels" }),
    sourceImage: string({ rest: "initializeParams.sourceImage", computed: true }),
    sourceSnapshot: string({ rest: "initializeParams.sourceSnapshot" }),
    provisionedIops: number({ rest: "initializeParams.provisionedIops", int64: true, computed: true }),
    provisionedThroughput: number({ rest: "initializeParams.provisionedThroughput", int64: true, computed: true }),
    source: string(),
    interface: string({ computed: true }),
    mode: string({ computed: true }),
    type: string({ computed: true }),
    diskEncryptionKey: object({ kmsKeySelfLink: string({ rest: "kmsKeyName", required: true }) }),
  },
  { rest: "properties.disks", required: true },
);

/** Everything in a template is fixed once it is made. */
function fixed(shape: Shape): Shape {
  return Object.fromEntries(Object.entries(shape).map(([name, field]) => [name, { ...field, forceNew: true }]));
}

const base = computeResource({
  token: "gcp:compute/instanceTemplate:InstanceTemplate",
  collection: "instanceTemplates",
  scope: "global",
  // A template's own name may be longer by the generated part; the real provider leaves 54 characters to the prefix.
  shape: fixed({
    description: string(),
    instanceDescription: string({ rest: "properties.description" }),
    namePrefix: string({ local: true }),
    // Only completes bare subnetwork names.
    region: string({ local: true, computed: true }),
    metadataStartupScript: string({ local: true }),
    disks,
    ...machineShape("properties.", false),
  }),
  computed: ["selfLinkUnique", "metadataFingerprint", "tagsFingerprint", "creationTimestamp", "numericId"],
  query: "?view=FULL",
  outputs: (body) => ({
    selfLinkUnique: `${text(body.selfLink)}?uniqueId=${text(body.id)}`,
    creationTimestamp: body.creationTimestamp,
    numericId: body.id,
    metadataFingerprint: nested(body, "metadata").fingerprint,
    tagsFingerprint: nested(body, "tags").fingerprint,
  }),
  async prepare(context, body, inputs) {
    const properties = body.properties as Props;
    for (const [index, disk] of (properties.disks as Props[]).entries()) {
      if (disk.boot === undefined) disk.boot = index === 0;
      disk.type ??= "PERSISTENT";
      const parameters = disk.initializeParams;
      if (isObject(parameters) && parameters.sourceImage !== undefined) {
        parameters.sourceImage = await resolveImage(context, text(parameters.sourceImage));
      }
    }
    addStartupScript(body, inputs.metadataStartupScript, "properties.metadata");
    return body;
  },
});

function nested(body: Props, member: string): Props {
  const value = isObject(body.properties) ? body.properties[member] : undefined;
  return isObject(value) ? value : {};
}

const template: ResourceType = {
  ...base,
  async read(context, id, state) {
    const found = await base.read(context, id, state);
    return found && { ...found, inputs: splitStartupScript(found.inputs, state) };
  },
  /**
   * A program may spell an image in several ways: the template is replaced when it means another image or family now,
   * not when it spells the same one differently.
   */
  async adjust(context, outputs, news, changes) {
    const held = Array.isArray(outputs.disks) ? (outputs.disks as Props[]) : [];
    const wanted = Array.isArray(news.disks) ? (news.disks as Props[]) : [];
    let adjusted = changes;
    for (const [index, disk] of wanted.entries()) {
      const image = disk.sourceImage;
      const before = held[index]?.sourceImage;
      if (typeof image !== "string" || typeof before !== "string") continue;
      const path = `disks[${index}].sourceImage`;
      adjusted = adjusted.filter((change) => change.path !== path);
      if (await differs(context, before, image))
        adjusted = [...adjusted, { path, kind: "update", replace: true } as Change];
    }
    return adjusted;
  },
};

async function differs(context: Context, before: string, image: string): Promise<boolean> {
  const held = before.replace(/^.*\/(?=projects\/)/, "");
  return held !== image && held !== (await resolveImage(context, image));
}

export const templateTypes: ResourceType[] = [template];
