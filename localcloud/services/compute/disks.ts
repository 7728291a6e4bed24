import type { Call, Reply, Router } from "../../core/http.ts";
import { addCollection, allowQuery, onOne, pathIn, storedPath } from "./collection.ts";
import { removeDisk } from "./content.ts";
import { type Compute, fingerprint, type Where } from "./context.ts";
import { imageFor } from "./images.ts";
import { invalid, lastPart, link, pathOf, referred } from "./links.ts";
import { inUse } from "./networks.ts";
import { DISK_TYPES } from "./places.ts";
import { requireLabels } from "./rules.ts";
import { type Json, readBody } from "./schema.ts";
import { DISK } from "./shapes/machine.ts";
import type { Disk } from "./types.ts";

export function addDisks(router: Router, compute: Compute): void {
  addCollection(router, compute, {
    plural: "disks",
    singular: "disk",
    scope: "zones",
    shape: DISK,
    labels: true,
    query: ["sourceImage"],
    make: (body, at) => {
      const sourceImage = body.sourceImage ?? at.call.query.get("sourceImage") ?? undefined;
      return diskMembers(compute, at.call, { ...body, sourceImage }, at, "resource");
    },
    removing: (thing, path) => {
      const [user] = (thing as Disk).users ?? [];
      if (user) throw inUse("disk", path, pathOf(user));
      if (compute.busy.has(path)) throw inUse("disk", path, "an image that is being made of it");
    },
    remove: (path) => removeDisk(compute.cloud.state, path),
  });
  onOne(router, "zones", "disks", "POST", "resize", (call) => resize(compute, call));
}

export interface DiskWish {
  sourceImage?: unknown;
  sizeGb?: unknown;
  type?: unknown;
  labels?: unknown;
  architecture?: unknown;
  [member: string]: unknown;
}

/** What a new disk holds besides the common members; image, type and size are checked as Google checks them. */
export function diskMembers(compute: Compute, call: Call, wish: DiskWish, at: Where, field: string): Json {
  const nested = field !== "resource";
  const names = nested ? { size: "diskSizeGb", type: "diskType" } : { size: "sizeGb", type: "type" };
  const type = diskType(wish.type, `${field}.${names.type}`, at);
  const image =
    wish.sourceImage === undefined
      ? undefined
      : imageFor(compute, call, String(wish.sourceImage), `${field}.sourceImage`, at.project);
  const limits = DISK_TYPES[type] as (typeof DISK_TYPES)[string];
  const size = Number(wish.sizeGb ?? image?.diskSizeGb ?? limits.defaultGb);
  if (image && size < Number(image.diskSizeGb)) {
    throw invalid(
      `${field}.${names.size}`,
      size,
      `Requested disk size cannot be smaller than the image size (${image.diskSizeGb} GB)`,
    );
  }
  if (size < limits.smallestGb || size > limits.largestGb) {
    const sentence = `Disk size of ${type} must be between ${limits.smallestGb} GB and ${limits.largestGb} GB.`;
    throw invalid(`${field}.${names.size}`, size, sentence);
  }
  requireLabels(wish.labels, `${field}.labels`);
  const { sourceImage: _image, sizeGb: _size, type: _type, ...rest } = wish;
  return {
    physicalBlockSizeBytes: "4096",
    enableConfidentialCompute: false,
    ...rest,
    sizeGb: String(size),
    type: link(`projects/${at.project}/${at.place}/diskTypes/${type}`),
    zone: link(`projects/${at.project}/${at.place}`),
    status: "READY",
    architecture: wish.architecture ?? image?.architecture,
    labelFingerprint: fingerprint(wish.labels ?? {}),
    // The resolved image, by Google's own name: a family here would make every later comparison find a difference.
    ...(image ? { sourceImage: image.selfLink, sourceImageId: image.id, guestOsFeatures: image.guestOsFeatures } : {}),
  };
}

function diskType(given: unknown, field: string, at: Where): string {
  if (given === undefined) return "pd-standard";
  const text = String(given);
  const path = referred(text, field, at.project, "diskTypes");
  const name = lastPart(path);
  if (!path.includes(`/${at.place}/`) || !DISK_TYPES[name]) {
    throw invalid(field, text, "The referenced diskType resource cannot be found.");
  }
  return name;
}

async function resize(compute: Compute, call: Call): Promise<Reply> {
  allowQuery(call, "requestId");
  const body = readBody({ sizeGb: "int64" }, await call.json());
  const path = storedPath(compute, pathIn(call, "disks"));
  compute.requireOn(call, "compute.disks.resize", path);
  const disk = compute.get(path) as Disk;
  const size = Number(body.sizeGb);
  if (!(size > Number(disk.sizeGb))) {
    throw invalid(
      "sizeGb",
      body.sizeGb,
      `New disk size '${body.sizeGb}' must be larger than existing size '${disk.sizeGb}'.`,
    );
  }
  const { largestGb } = DISK_TYPES[lastPart(disk.type)] ?? { largestGb: 65536 };
  if (size > largestGb) throw invalid("sizeGb", body.sizeGb, `A disk has at most ${largestGb} GB.`);
  return compute.begin(call, {
    type: "resizeDisk",
    target: path,
    targetId: disk.id,
    run: () => {
      compute.save(path, { ...compute.get(path), sizeGb: String(size) });
    },
  });
}
