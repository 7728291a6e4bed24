import type { Kind } from "./types.ts";

/** What follows an environment's name in the names that we give. */
const ENDINGS: Readonly<Partial<Record<Kind, RegExp>>> = {
  cluster: /^-kubeflow$/,
  machine: /^-((run|img)-\d{14}-[0-9a-f]{4}(-a\d+)?|ws.*)$/,
  disk: /^-((run|img)-\d{14}-[0-9a-f]{4}(-a\d+)?|ws.*)$/,
  serviceAccount: /^-[a-z-]+@.*$/,
  role: /^_[A-Za-z]+_[0-9a-f]{7}$/,
};

/** The provider's automatic names end in seven random hex digits. */
const AUTOMATIC = /^(-[a-z0-9-]+)?-[0-9a-f]{7}$/;

/**
 * The environment whose name something without a mark seems to bear; of `mlt-a` and `mlt-a-b` the longer one that fits.
 * It is a hint for people, and never a reason to touch anything.
 */
export function looksLike(kind: Kind, name: string, environments: readonly string[]): string | undefined {
  const ending = ENDINGS[kind] ?? AUTOMATIC;
  return environments
    .filter((environment) => {
      const prefix = kind === "role" ? environment.replaceAll("-", "_") : environment;
      return name.startsWith(prefix) && ending.test(name.slice(prefix.length));
    })
    .sort((one, other) => other.length - one.length)[0];
}
