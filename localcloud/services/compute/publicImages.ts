import { createHash } from "node:crypto";
import { BASE_IMAGES } from "../../../catalog/baseImages.ts";
import { link } from "./links.ts";
import type { Image } from "./types.ts";

/** The version of every public image here. Google publishes new ones every few weeks; a family names the latest. */
const VERSION = "v20261110";
const CREATED = "2026-11-10T08:00:00.000Z";

/** Google's public images, one of each family of the catalog. All boot the guest's stock system. */
export function publicImages(project: string): Image[] {
  return Object.entries(BASE_IMAGES)
    .filter(([, image]) => image.project === project)
    .map(([family, image]): Image => {
      const name = `${family}-${VERSION}`;
      const architecture = image.architecture === "arm64" ? "ARM64" : "X86_64";
      return {
        kind: "compute#image",
        id: stableId(`${project}/${name}`),
        name,
        creationTimestamp: CREATED,
        selfLink: link(`projects/${project}/global/images/${name}`),
        description: `Stands in for Google's image family ${family}`,
        family,
        architecture,
        sourceType: "RAW",
        status: "READY",
        diskSizeGb: image.gpu ? "50" : "10",
        archiveSizeBytes: "1073741824",
        labelFingerprint: "42WmSpB8rSM=",
        storageLocations: ["us"],
        guestOsFeatures: ["VIRTIO_SCSI_MULTIQUEUE", "UEFI_COMPATIBLE", "GVNIC"].map((type) => ({ type })),
        rawDisk: { containerType: "TAR", source: "" },
      };
    });
}

export function allPublicImages(): Image[] {
  const projects = new Set(Object.values(BASE_IMAGES).map(({ project }) => project));
  return [...projects].flatMap(publicImages);
}

/** Projects whose images everybody may use. */
export function isPublic(project: string): boolean {
  return Object.values(BASE_IMAGES).some((image) => image.project === project);
}

function stableId(text: string): string {
  const value = createHash("sha256").update(text).digest().readBigUInt64BE();
  return String((value >> 2n) + 10n ** 18n);
}
