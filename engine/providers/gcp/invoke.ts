import type { Configuration } from "./configuration.ts";
import { contextOf } from "./configuration.ts";
import { lastSegment } from "./schema.ts";
import { resolveImage } from "./services/compute-machine.ts";
import { type Props, text } from "./values.ts";

type Function = (configuration: Configuration, args: Props) => Promise<Props>;

const functions: Record<string, Function> = {
  "gcp:compute/getImage:getImage": async (configuration, args) => {
    const context = contextOf(configuration, args);
    const wanted = args.family === undefined ? text(args.name) : `family/${text(args.family)}`;
    const path = await resolveImage(context, `projects/${context.place.project}/global/images/${wanted}`);
    const image = await context.client.get("compute", path);
    return {
      id: path,
      name: image.name,
      family: image.family ?? "",
      imageId: image.id,
      project: context.place.project,
      selfLink: image.selfLink,
      status: image.status,
      diskSizeGb: Number(image.diskSizeGb ?? 0),
      archiveSizeBytes: Number(image.archiveSizeBytes ?? 0),
      creationTimestamp: image.creationTimestamp,
      description: image.description ?? "",
      labels: image.labels ?? {},
      licenses: image.licenses ?? [],
    };
  },

  "gcp:compute/getMachineTypes:getMachineTypes": async (configuration, args) => {
    const { client, place } = contextOf(configuration, args);
    const path = `projects/${place.project}/zones/${text(args.zone) || place.zone}/machineTypes`;
    const list = await client.get("compute", path, { filter: text(args.filter) || undefined });
    return {
      id: path,
      project: place.project,
      zone: place.zone,
      machineTypes: ((list.items as Props[] | undefined) ?? []).map(({ name, guestCpus, memoryMb }) => ({
        name,
        guestCpus,
        memoryMb,
      })),
    };
  },

  "gcp:compute/getZones:getZones": async (configuration, args) => {
    const { client, place } = contextOf(configuration, args);
    const list = await client.get("compute", `projects/${place.project}/zones`);
    const zones = ((list.items as Props[] | undefined) ?? [])
      .filter((zone) => !place.region || lastSegment(zone.region) === place.region)
      .filter((zone) => args.status === undefined || zone.status === args.status);
    return {
      id: `projects/${place.project}/zones`,
      names: zones.map(({ name }) => text(name)).sort(),
      project: place.project,
    };
  },

  "gcp:organizations/getProject:getProject": async (configuration, args) => {
    const project = text(args.projectId) || configuration.place.project || "";
    const body = await configuration.client.get("resourceManager", `~/v1/projects/${project}`);
    return {
      id: `projects/${project}`,
      projectId: project,
      name: body.name,
      number: body.projectNumber,
      labels: body.labels ?? {},
    };
  },

  "gcp:organizations/getClientConfig:getClientConfig": async ({ place, accessToken }) => ({
    id: `projects/${place.project ?? ""}/regions/${place.region ?? ""}/zones/${place.zone ?? ""}`,
    project: place.project ?? "",
    region: place.region ?? "",
    zone: place.zone ?? "",
    accessToken,
    defaultLabels: {},
  }),
};

export async function invoke(configuration: Configuration, token: string, args: Props): Promise<Props> {
  const known = functions[token];
  if (!known) throw new Error(`The attached gcp provider does not know the function ${token}`);
  return known(configuration, args);
}
