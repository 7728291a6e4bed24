import { GoogleError, notModelled } from "../../core/errors.ts";
import type { Call, Reply, Router } from "../../core/http.ts";
import { allowQuery, base, pathIn, relabel, removeOne, storedPath } from "./collection.ts";
import { keepContent, releaseContents } from "./content.ts";
import { type Compute, fingerprint, where } from "./context.ts";
import { invalid, link, notFound, pathOf, referred, split } from "./links.ts";
import { page } from "./lists.ts";
import { inUse } from "./networks.ts";
import { isPublic, publicImages } from "./publicImages.ts";
import { requireLabels, requireName } from "./rules.ts";
import { type Json, oneOf, readBody } from "./schema.ts";
import { IMAGE } from "./shapes/machine.ts";
import type { Disk, Image } from "./types.ts";

const ROOT = `${base("global")}/images`;
const ONE = `${ROOT}/{name}`;

/** An image by its path or its family's (`…/images/family/F`): a family names its newest image that is not deprecated. */
export function findImage(compute: Compute, path: string): Image | undefined {
  const { project, name } = split(path);
  const all = imagesOf(compute, project);
  if (!name.startsWith("family/")) return all.find((image) => image.name === name || image.id === name);
  const family = name.slice("family/".length);
  return all
    .filter((image) => image.family === family && image.status === "READY" && !image.deprecated)
    .sort((one, other) => one.creationTimestamp.localeCompare(other.creationTimestamp))
    .at(-1);
}

/** The image that a family's address names now. */
function newest(compute: Compute, call: Call, rest: string): Image {
  const { project = "", family = "" } = call.params;
  const path = `projects/${project}/global/images/family/${family}`;
  if (!isPublic(project)) compute.requireOn(call, "compute.images.getFromFamily", path);
  const image = findImage(compute, path);
  if (!image) throw notFound(`projects/${project}/${rest}`);
  return image;
}

function imagesOf(compute: Compute, project: string): Image[] {
  const own = compute.list("images", `projects/${project}/`).map(([, image]) => image as Image);
  return [...own, ...publicImages(project)];
}

/** What names an image or a family. A family's view from a zone (`zones/Z/imageFamilyViews/F`) is the family: images are the same in all zones here. */
export function imageReference(text: string, field: string, project: string): string {
  const global = text.replace(/\bzones\/[^/]+\/imageFamilyViews\/([^/]+)$/, "global/images/family/$1");
  return referred(global, field, project, "images");
}

/** The image that a disk is to be made from; the caller must be allowed to use it. */
export function imageFor(compute: Compute, call: Call, text: string, field: string, project: string): Image {
  const path = imageReference(text, field, project);
  const image = findImage(compute, path);
  if (!image) throw invalid(field, text, "The referenced image resource cannot be found.");
  const real = pathOf(image.selfLink);
  if (!isPublic(split(real).project)) compute.requireOn(call, "compute.images.useReadOnly", real);
  if (image.status !== "READY" || compute.pending.has(real)) {
    throw new GoogleError(400, "resourceNotReady", `The resource '${real}' is not ready`);
  }
  if (image.deprecated && image.deprecated.state !== "DEPRECATED") {
    throw invalid(field, text, `The image is ${image.deprecated.state} and cannot be used.`);
  }
  return image;
}

export function addImages(router: Router, compute: Compute): void {
  router.on("GET", ROOT, (call) => {
    const { project } = where(call);
    if (!isPublic(project)) compute.requireOnProject(call, "compute.images.list", project);
    return { json: page(call, "compute#imageList", `projects/${project}/global/images`, imagesOf(compute, project)) };
  });
  router.on("GET", `${ROOT}/family/{family}`, (call) => {
    allowQuery(call, "zone");
    return { json: newest(compute, call, `global/images/family/${call.params.family}`) };
  });
  // gcloud asks here first when it makes a machine from a family; a zone `-` stands for any.
  router.on("GET", `${base("zones")}/imageFamilyViews/{family}`, (call) => {
    allowQuery(call);
    if (call.params.zone !== "-") where(call);
    return {
      json: { image: newest(compute, call, `zones/${call.params.zone}/imageFamilyViews/${call.params.family}`) },
    };
  });
  router.on("GET", ONE, (call) => {
    allowQuery(call, "view");
    const path = pathIn(call, "images");
    if (!isPublic(split(path).project)) compute.requireOn(call, "compute.images.get", path);
    const image = findImage(compute, path);
    if (!image) throw notFound(path);
    return { json: image };
  });
  router.on("POST", ROOT, (call) => insert(compute, call));
  router.on("DELETE", ONE, (call) => {
    const remove = (path: string): void => {
      compute.remove(path);
      releaseContents(compute.cloud.state);
    };
    return removeOne(compute, { plural: "images", remove }, call);
  });
  router.on("POST", `${ONE}/deprecate`, (call) => deprecate(compute, call));
  router.on("POST", `${ONE}/setLabels`, async (call) => {
    allowQuery(call);
    const body = readBody({ labels: "map", labelFingerprint: "string" }, await call.json());
    const path = pathIn(call, "images");
    compute.requireOn(call, "compute.images.setLabels", path);
    return relabel(compute, call, path, body);
  });
  router.on("PATCH", ONE, (call) => patch(compute, call));
}

async function insert(compute: Compute, call: Call): Promise<Reply> {
  allowQuery(call, "requestId", "forceCreate");
  const { project } = where(call);
  const raw = await call.json();
  const repeated = compute.repeated(call, project);
  if (repeated) return repeated;
  const body = readBody(IMAGE, raw);
  const path = `projects/${project}/global/images/${requireName(body.name)}`;
  compute.requireOn(call, "compute.images.create", path);
  requireLabels(body.labels);
  if (body.family !== undefined) requireName(body.family, "resource.family");
  compute.absent(path);
  const { sourceDisk, sourceImage } = body as { sourceDisk?: string; sourceImage?: string };
  if ((sourceDisk === undefined) === (sourceImage === undefined)) {
    throw invalid("resource", body.name, "An image needs exactly one source: a source disk or a source image.");
  }
  const source = sourceDisk
    ? diskSource(compute, call, sourceDisk, project)
    : imageSource(compute, call, `${sourceImage}`, project);
  const labels = (body.labels ?? {}) as Record<string, string>;
  const image: Image = {
    ...compute.stamp(path, "image"),
    ...body,
    ...source.members,
    diskSizeGb: String(body.diskSizeGb ?? source.sizeGb),
    sourceType: "RAW",
    // Known once the content is kept.
    archiveSizeBytes: "0",
    architecture: String(body.architecture ?? source.architecture),
    storageLocations: (body.storageLocations as string[] | undefined) ?? ["us"],
    status: "PENDING",
    labelFingerprint: fingerprint(labels),
  };
  return compute.begin(call, {
    type: "insert",
    target: path,
    targetId: image.id,
    accepted: () => compute.save(path, image),
    run: async () => {
      try {
        const bytes = await source.keep(image);
        // Its deletion may have been asked for meanwhile, its labels or its family changed.
        const now = compute.find(path);
        if (now?.id === image.id) compute.save(path, { ...now, status: "READY", archiveSizeBytes: String(bytes) });
        else releaseContents(compute.cloud.state);
      } catch (error) {
        if (compute.find(path)?.id === image.id) compute.remove(path);
        releaseContents(compute.cloud.state);
        throw error;
      }
    },
  });
}

interface Source {
  members: Json;
  sizeGb: string;
  architecture: string;
  /** Keeps the content; gives its bytes. */
  keep: (image: Image) => Promise<number>;
}

function diskSource(compute: Compute, call: Call, text: string, project: string): Source {
  const { cloud, machines } = compute;
  const path = referred(text, "resource.sourceDisk", project, "disks");
  const disk = compute.referent(path, "resource.sourceDisk", text, "disk") as Disk;
  compute.requireOn(call, "compute.disks.useReadOnly", path);
  const [machine] = (disk.users ?? []).map(pathOf);
  if (machine && machines.isOn(machine)) {
    if (call.query.get("forceCreate") !== "true") throw inUse("disk", path, machine);
    throw notModelled("an image of the disk of a running machine (forceCreate); stop the machine first");
  }
  if (!disk.sourceImageId) throw notModelled(`an image of a disk that was not made from an image (${disk.name})`);
  const over = compute.imageWithId(disk.sourceImageId) ?? { id: disk.sourceImageId, archiveSizeBytes: "0" };
  const save = machines.saveDisk(disk);
  const keep = (image: Image) =>
    compute.whileBusy(path, () => keepContent(cloud.state, { image: image.id, over, save }));
  return {
    members: { sourceDisk: disk.selfLink, sourceDiskId: disk.id, guestOsFeatures: disk.guestOsFeatures ?? [] },
    sizeGb: disk.sizeGb,
    architecture: String(disk.architecture ?? "X86_64"),
    keep: (image) => (machine ? machines.whileOff(machine, () => keep(image)) : keep(image)),
  };
}

function imageSource(compute: Compute, call: Call, text: string, project: string): Source {
  const from = imageFor(compute, call, text, "resource.sourceImage", project);
  return {
    members: { sourceImage: from.selfLink, sourceImageId: from.id, guestOsFeatures: from.guestOsFeatures ?? [] },
    sizeGb: from.diskSizeGb,
    architecture: from.architecture,
    keep: (image) => keepContent(compute.cloud.state, { image: image.id, over: from }),
  };
}

const DEPRECATION = {
  state: oneOf("ACTIVE", "DEPRECATED", "OBSOLETE", "DELETED"),
  replacement: "string",
  deprecated: "string",
  obsolete: "string",
  deleted: "string",
  stateOverride: "unmodelled",
} as const;

/** What an image keeps of a deprecation; nothing of one that makes it active again, as an empty one does. */
function readDeprecation(body: Json, field: string, project: string): Json | undefined {
  if ((body.state ?? "ACTIVE") === "ACTIVE") return undefined;
  if (body.replacement === undefined) return body;
  const at = `${field}.replacement`;
  return { ...body, replacement: link(referred(String(body.replacement), at, project, "images")) };
}

async function deprecate(compute: Compute, call: Call): Promise<Reply> {
  allowQuery(call, "requestId");
  const body = readBody(DEPRECATION, await call.json());
  const path = pathIn(call, "images");
  compute.requireOn(call, "compute.images.deprecate", path);
  const image = compute.get(path);
  const deprecated = readDeprecation(body, "resource", split(path).project);
  return compute.begin(call, {
    type: "deprecate",
    target: path,
    targetId: image.id,
    run: () => {
      compute.save(path, { ...compute.get(path), deprecated });
    },
  });
}

/** "Only the following fields can be modified: family, description, deprecation status" (images.patch, read 2026-11-21). */
const PATCHED = ["family", "description", "deprecated"];

async function patch(compute: Compute, call: Call): Promise<Reply> {
  allowQuery(call, "requestId");
  const raw = await call.json();
  const repeated = compute.repeated(call, where(call).project);
  if (repeated) return repeated;
  const body = readBody({ ...IMAGE, deprecated: DEPRECATION }, raw);
  const path = storedPath(compute, pathIn(call, "images"));
  compute.requireOn(call, "compute.images.update", path);
  const image = compute.get(path);
  for (const [name, value] of Object.entries(body)) {
    if (PATCHED.includes(name) || JSON.stringify(value) === JSON.stringify(image[name])) continue;
    const sentence = "Only the family, the description and the deprecation status of an image can be patched.";
    throw invalid(`resource.${name}`, value, sentence);
  }
  if (body.family !== undefined) requireName(body.family, "resource.family");
  const changes: Json = Object.fromEntries(PATCHED.flatMap((name) => (name in body ? [[name, body[name]]] : [])));
  // Nothing in place of a value takes it away; that this holds for an empty family is from general knowledge.
  for (const name of PATCHED) if (raw[name] === null || raw[name] === "") changes[name] = undefined;
  if (body.deprecated) {
    changes.deprecated = readDeprecation(body.deprecated as Json, "resource.deprecated", split(path).project);
  }
  return compute.begin(call, {
    type: "patch",
    target: path,
    targetId: image.id,
    run: () => {
      compute.save(path, { ...compute.get(path), ...changes });
    },
  });
}
