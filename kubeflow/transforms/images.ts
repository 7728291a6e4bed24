import type { KubeflowRelease } from "../../catalog/kubeflow.ts";
import { fullName, isPinned } from "../imageNames.ts";
import { type Container, containersOf, copyOf, type KubeObject, nameOf, podSpecOf } from "../objects.ts";
import { KubeflowError } from "../problem.ts";

/** A place in an object that names an image. */
export interface ImageUse {
  /** For messages: `Deployment mysql, container mysql`. */
  where: string;
  image: string;
  set(image: string): void;
}

/** Arguments after which an image is named: Argo's controller starts every step with this one. */
const IMAGE_ARGUMENTS: readonly string[] = ["--executor-image"];

/**
 * Every place where an object names an image that the cluster will run: containers, variables such as
 * `V2_LAUNCHER_IMAGE`, arguments, and settings of a ConfigMap such as `cacheImage`. What `set` changes is the object
 * itself: hand over a copy.
 */
export function imageUses(object: KubeObject): ImageUse[] {
  const here = nameOf(object);
  const spec = podSpecOf(object);
  const uses = spec ? containersOf(spec).flatMap((container) => ofContainer(container, here)) : [];
  const { data } = object as { data?: Record<string, unknown> };
  if (object.kind !== "ConfigMap" || !data) return uses;
  const settings = Object.entries(data).filter(([key, value]) => /Image$|_IMAGE$/.test(key) && isText(value));
  for (const [key, value] of settings) {
    const set = (name: string) => {
      data[key] = name;
    };
    uses.push({ where: `${here}, ${key}`, image: value as string, set });
  }
  return uses;
}

function ofContainer(container: Container, object: string): ImageUse[] {
  const here = `${object}, container ${container.name}`;
  const uses: ImageUse[] = [];
  if (container.image !== undefined) {
    const set = (name: string) => {
      container.image = name;
    };
    uses.push({ where: here, image: container.image, set });
  }
  for (const variable of container.env ?? []) {
    if (!/(?:^|_)IMAGE$/.test(variable.name) || !isText(variable.value)) continue;
    const set = (name: string) => {
      variable.value = name;
    };
    uses.push({ where: `${here}, ${variable.name}`, image: variable.value as string, set });
  }
  const { args = [] } = container;
  args.forEach((argument, index) => {
    const [flag = "", value] = argument.split("=", 2);
    if (!IMAGE_ARGUMENTS.includes(flag)) return;
    const at = value === undefined ? index + 1 : index;
    const image = value ?? args[at];
    if (image === undefined) return;
    const set = (name: string) => {
      args[at] = value === undefined ? name : `${flag}=${name}`;
    };
    uses.push({ where: `${here}, ${flag}`, image, set });
  });
  return uses;
}

function isText(value: unknown): boolean {
  return typeof value === "string" && value !== "";
}

/** Digests by full name with tag, as a lock file has them. */
export type Digests = Readonly<Record<string, string>>;

/**
 * Every image by its full name with the tag of one release, and by its digest where one is known. What the catalog does
 * not know may stay if it is pinned already.
 *
 * @throws {KubeflowError} naming every image that is neither known nor pinned
 */
export function pinImages(
  objects: readonly KubeObject[],
  release: KubeflowRelease,
  digests: Digests = {},
): KubeObject[] {
  const known = new Map(release.images.map(({ upstream, pinned }) => [fullName(upstream), pinned]));
  const loose: string[] = [];
  const pinned = objects.map((object) => {
    const copy = copyOf(object);
    for (const { where, image, set } of imageUses(copy)) {
      const name = known.get(fullName(image)) ?? fullName(image);
      if (!known.has(fullName(image)) && !isPinned(name)) loose.push(`${where}: ${image}`);
      const digest = digests[name];
      set(digest && !name.includes("@") ? `${name}@${digest}` : name);
    }
    // A name that stands for one build needs no second look at the registry whenever a pod starts.
    for (const container of allContainers(copy)) {
      if (container.imagePullPolicy === "Always") container.imagePullPolicy = "IfNotPresent";
    }
    return copy;
  });
  if (loose.length > 0) {
    throw new KubeflowError(
      `these images may be another one tomorrow; catalog/kubeflow.ts must name a release of each, or the manifests a full one:\n${loose
        .map((line) => `  ${line}`)
        .join("\n")}`,
    );
  }
  return pinned;
}

function allContainers(object: KubeObject): Container[] {
  const spec = podSpecOf(object);
  return spec ? containersOf(spec) : [];
}
