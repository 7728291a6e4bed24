import { BASE_IMAGES, IMAGE_PROJECTS, RETIRED_FAMILIES } from "../catalog/baseImages.ts";
import type { Environment } from "../training/contract.ts";
import { nearest } from "../training/nearest.ts";
import type { Image, ImageCloud } from "./cloud.ts";

/** A base image by its exact name. */
export interface BaseImage {
  project: string;
  name: string;
  /** Google's number of it: a name may be used again, this may not. */
  id: string;
  /** The family that was asked for, if it was one. */
  family?: string;
  diskGb: number;
  architecture: string;
  /** Whether it brings drivers that secure boot may refuse. */
  gpu: boolean;
}

export interface BaseCheck {
  base?: BaseImage;
  problems: string[];
  warnings: string[];
}

/** What a recipe's `base` names. */
export interface BaseWish {
  project: string;
  name?: string;
  family?: string;
}

const PATH =
  /^(?:https:\/\/(?:www|compute)\.googleapis\.com\/compute\/[a-z0-9]+\/)?projects\/([^/]+)\/global\/images\/(family\/)?([^/]+)$/;
const NAME = /^[a-z]([a-z0-9-]{0,61}[a-z0-9])?$/;

/** Reads a recipe's `base` without asking Google: family or exact name, from a project that is on the list, in support. */
export function readBase(
  text: string,
  { project, baseProjects }: { project: string; baseProjects: readonly string[] },
  today: string,
): { wish?: BaseWish; problems: string[] } {
  const path = PATH.exec(text);
  const name = path?.[3] ?? text;
  if (!NAME.test(name)) {
    return {
      problems: [
        `base must be an image family such as ubuntu-2404-lts-amd64, or projects/PROJECT/global/images/NAME; got ${JSON.stringify(text)}`,
      ],
    };
  }
  const known = BASE_IMAGES[name];
  const from = path?.[1] ?? known?.project ?? project;
  const problems: string[] = [];
  const allowed = [...IMAGE_PROJECTS, project, ...baseProjects];
  if (!allowed.includes(from)) {
    problems.push(
      `base: images of the project ${from} are not allowed here; allowed: ${[...new Set(allowed)].join(", ")}. If you trust it: pulumi config set --path 'mltraining:imageFamily.baseProjects[0]' ${from}`,
    );
  }
  const exact = path !== null && !path[2];
  if (exact) return { wish: { project: from, name }, problems };
  const retired = RETIRED_FAMILIES.find(({ pattern }) => pattern.test(name));
  if (!known && retired) problems.push(`base must not be ${name}: ${retired.reason}`);
  if (known && from === known.project && known.supportedUntil < today) {
    problems.push(`base ${name} has had no security updates since ${known.supportedUntil}; ${advice(name)}`);
  }
  return { wish: { project: from, family: name }, problems };
}

function advice(family: string): string {
  const next = BASE_IMAGES[family]?.successor;
  return next ? `take ${next}` : "this program's catalog knows no successor yet";
}

/** The exact image behind a recipe's `base`, and what speaks against building on it. */
export async function resolveBase(
  cloud: ImageCloud,
  text: string,
  settings: Pick<NonNullable<Environment["imageFamily"]>, "project" | "baseProjects">,
  today: string,
): Promise<BaseCheck> {
  const { wish, problems } = readBase(text, settings, today);
  if (!wish || problems.length > 0) return { problems, warnings: [] };
  const image = wish.name
    ? await cloud.image(wish.project, wish.name)
    : await cloud.fromFamily(wish.project, wish.family ?? "");
  if (!image) return { problems: [gone(text, wish)], warnings: [] };
  const state = image.deprecated?.state;
  const instead = image.deprecated?.replacement?.split("/").at(-1);
  if (state === "OBSOLETE" || state === "DELETED") {
    const fix = instead ? `take ${instead}` : "take a family, which names the newest image";
    return { problems: [`base ${text} is marked ${state} by its owner and cannot be used; ${fix}`], warnings: [] };
  }
  const end = BASE_IMAGES[image.family ?? ""];
  if (wish.name && end?.project === wish.project && end.supportedUntil < today) {
    return {
      problems: [
        `base ${text} is of the family ${image.family}, which has had no security updates since ${end.supportedUntil}; ${advice(image.family ?? "")}`,
      ],
      warnings: [],
    };
  }
  const warnings =
    state === "DEPRECATED"
      ? [`base ${text} is marked as deprecated${instead ? `; its successor is ${instead}` : ""}`]
      : [];
  return { base: baseOf(image, wish), problems: [], warnings };
}

function gone(text: string, { project, family }: BaseWish): string {
  const near = nearest(family ?? "", Object.keys(BASE_IMAGES));
  const what = family ? `the family ${family} names no image` : `there is no image ${text.split("/").at(-1)}`;
  return `base ${text}: ${what} in the project ${project} (any more)${near && near !== family ? `; did you mean ${near}?` : `; gcloud compute images list --project ${project}`}`;
}

function baseOf(image: Image, wish: BaseWish): BaseImage {
  const family = wish.family ?? image.family ?? undefined;
  return {
    project: wish.project,
    name: String(image.name),
    id: String(image.id),
    ...(family ? { family } : {}),
    diskGb: Number(image.diskSizeGb ?? 10),
    architecture: String(image.architecture ?? "X86_64"),
    gpu: BASE_IMAGES[family ?? ""]?.gpu ?? /nvidia/.test(String(image.name)),
  };
}

/** `projects/P/global/images/NAME` */
export function imagePath({ project, name }: { project: string; name: string }): string {
  return `projects/${project}/global/images/${name}`;
}
