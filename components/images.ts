import { BASE_IMAGES, type BaseImage, DEFAULT_IMAGE_FAMILY, RETIRED_FAMILIES } from "../catalog/baseImages.ts";
import { nearest } from "../training/nearest.ts";

/** An image by its exact name, or the newest of a family. */
export interface ImageChoice {
  project: string;
  family?: string;
  name?: string;
  /** What the catalog knows about it. */
  known?: BaseImage;
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
 * `projects/P/global/images/family/F` or `projects/P/global/images/NAME`.
 */
export function chooseImage(text: string | undefined, project: string): ImageCheck {
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

/** Whether updates have ended on `today` (`yyyy-mm-dd`), in words; `undefined` if not. */
export function imageAge(image: ImageChoice, today: string): string | undefined {
  const until = image.known?.supportedUntil;
  if (!until || until >= today) return undefined;
  return `${image.family} has had no security updates since ${until}`;
}
