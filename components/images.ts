import {
  BASE_IMAGES,
  type BaseImage,
  DEFAULT_IMAGE_FAMILY,
  IMAGE_PROJECTS,
  RETIRED_FAMILIES,
} from "../catalog/baseImages.ts";
import { nearest } from "../training/nearest.ts";

/** An image by its exact name, or the newest of a family. */
export interface ImageChoice {
  project: string;
  family?: string;
  name?: string;
  /** What the catalog knows about it. */
  known?: BaseImage;
  /** The family that this environment builds itself. */
  own?: boolean;
}

export interface ImageCheck {
  image: ImageChoice;
  problems: string[];
  warnings: string[];
}

const PATH =
  /^(?:https:\/\/(?:www|compute)\.googleapis\.com\/compute\/[a-z0-9]+\/)?projects\/([^/]+)\/global\/images\/(family\/)?([^/]+)$/;
const NAME = /^[a-z]([a-z0-9-]{0,61}[a-z0-9])?$/;

/**
 * `ubuntu-2404-lts-amd64` (a family of the catalog), `my-family` (a family of the project's own),
 * `projects/P/global/images/family/F` or `projects/P/global/images/NAME`. `ownFamily`: the one that this environment builds.
 */
export function chooseImage(text: string | undefined, project: string, ownFamily?: string): ImageCheck {
  const wish = text || DEFAULT_IMAGE_FAMILY;
  const path = PATH.exec(wish);
  const name = path ? path[3]! : wish;
  const problems: string[] = [];
  const warnings: string[] = [];
  const image: ImageChoice = { project: path?.[1] ?? project };
  if (!NAME.test(name)) {
    problems.push(
      "must be an image family such as ubuntu-2404-lts-amd64, or projects/PROJECT/global/images/NAME for one exact image; " +
        `got ${JSON.stringify(wish)}`,
    );
    return { image, problems, warnings };
  }
  if (path && !path[2]) return { image: { ...image, name }, problems, warnings };

  image.family = name;
  if (name === ownFamily && image.project === project) return { image: { ...image, own: true }, problems, warnings };
  const known = BASE_IMAGES[name];
  if (known && (!path || path[1] === known.project)) {
    return { image: { project: known.project, family: name, known }, problems, warnings };
  }
  const retired = RETIRED_FAMILIES.find(({ pattern }) => pattern.test(name));
  if (retired) problems.push(`must not be ${name}: ${retired.reason}`);
  else if (!path) {
    const meant = nearest(name, Object.keys(BASE_IMAGES));
    warnings.push(
      `${name} is no public image family that this program knows${meant ? ` (did you mean ${meant}?)` : ""}: it is looked for in project ${project}`,
    );
  }
  return { image, problems, warnings };
}

/** So long before a family's end it is told. */
const NOTICE_DAYS = 60;

/** What is wrong with a family whose updates have ended on `today` (`yyyy-mm-dd`), or will within 60 days. */
export function imageSupport(image: ImageChoice, today: string): { problem?: string; warning?: string } {
  const { family, known } = image;
  if (!known) return {};
  const days = Math.round((Date.parse(known.supportedUntil) - Date.parse(today)) / 86_400_000);
  const next = known.successor ? `take ${known.successor}` : "this program's catalog knows no successor yet";
  if (days < 0) {
    return { problem: `must not be ${family}: it has had no security updates since ${known.supportedUntil}; ${next}` };
  }
  if (days <= NOTICE_DAYS) {
    return { warning: `${family} gets its last security updates on ${known.supportedUntil}, in ${days} days; ${next}` };
  }
  return {};
}

/** Why machines may not boot this image; `undefined`: they may. */
export function imageProjectProblem(image: ImageChoice, project: string): string | undefined {
  if (image.project === project || IMAGE_PROJECTS.includes(image.project)) return undefined;
  return `must be an image of ${project}, or of Google's ${IMAGE_PROJECTS.join(", ")}; got one of ${image.project}`;
}
