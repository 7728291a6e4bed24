// Names of images: `[registry/]repository[:tag][@digest]`.

export interface ImageName {
  /** As in a full name: `docker.io`, `ghcr.io`, `localhost:5000`. */
  registry: string;
  repository: string;
  tag?: string;
  digest?: string;
}

const NAME = /^[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*(?:\/[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*)*$/;

/** The parts of a name; `undefined` if it is none. A name without a registry is Docker's, as for the kubelet. */
export function parseImage(text: string): ImageName | undefined {
  const [, name = "", tag, digest] =
    /^((?:[^/@]+\/)*[^:/@]+)(?::([\w][\w.-]{0,127}))?(?:@(sha256:[0-9a-f]{64}))?$/.exec(text) ?? [];
  const slash = name.indexOf("/");
  const first = slash === -1 ? "" : name.slice(0, slash);
  const hasRegistry = /[.:]/.test(first) || first === "localhost";
  const registry = hasRegistry ? first : "docker.io";
  const path = hasRegistry ? name.slice(slash + 1) : name;
  const repository = registry === "docker.io" && !path.includes("/") ? `library/${path}` : path;
  if (!NAME.test(repository)) return undefined;
  return { registry, repository, ...(tag ? { tag } : {}), ...(digest ? { digest } : {}) };
}

/** With registry and, for Docker's own, `library/`. A name that is none stays as it is. */
export function fullName(text: string): string {
  const image = parseImage(text);
  if (!image) return text;
  const { registry, repository, tag, digest } = image;
  return `${registry}/${repository}${tag ? `:${tag}` : ""}${digest ? `@${digest}` : ""}`;
}

/** Whether the name stands for one build for good: a digest, or a tag with the three numbers of a release. */
export function isPinned(text: string): boolean {
  const image = parseImage(text);
  if (!image) return false;
  return image.digest !== undefined || /^v?\d+\.\d+\.\d+/.test(image.tag ?? "");
}
