import { GoogleError } from "./errors.ts";
import type { Call } from "./http.ts";

/** What a member of a body must be. */
export type Kind = "text" | "number" | "truth" | "object" | "texts" | "objects";

const isObject = (value: unknown): value is object =>
  typeof value === "object" && value !== null && !Array.isArray(value);

const KINDS: Record<Kind, { fits: (value: unknown) => boolean; shown: string }> = {
  text: { fits: (value) => typeof value === "string", shown: "TYPE_STRING" },
  number: { fits: (value) => typeof value === "number", shown: "a number" },
  truth: { fits: (value) => typeof value === "boolean", shown: "TYPE_BOOL" },
  object: { fits: isObject, shown: "an object" },
  texts: {
    fits: (value) => Array.isArray(value) && value.every((each) => typeof each === "string"),
    shown: "a list of strings",
  },
  objects: { fits: (value) => Array.isArray(value) && value.every(isObject), shown: "a list of objects" },
};

/** A call's body, of which only these members may be there and only so. A member that is null counts as absent. */
export async function readMembers<T extends object>(call: Call, kinds: Record<keyof T & string, Kind>): Promise<T> {
  return checkMembers<T>(await call.json(), "", kinds);
}

/** The same for a part of a body; `path` names it, as `policy`. 400 in Google's words for all that does not fit. */
export function checkMembers<T extends object>(value: object, path: string, kinds: Record<keyof T & string, Kind>): T {
  const problems: string[] = [];
  const taken: [string, unknown][] = [];
  const place = path ? `${path}.` : "";
  for (const [name, member] of Object.entries(value)) {
    const kind = Object.hasOwn(kinds, name) ? KINDS[kinds[name as keyof T & string]] : undefined;
    if (!kind) {
      const at = path ? ` at '${path}'` : "";
      problems.push(`Invalid JSON payload received. Unknown name "${name}"${at}: Cannot find field.`);
    } else if (member !== null) {
      if (!kind.fits(member))
        problems.push(`Invalid value at '${place}${name}' (${kind.shown}), ${JSON.stringify(member)}`);
      taken.push([name, member]);
    }
  }
  if (problems.length > 0) {
    throw new GoogleError(400, "badRequest", problems.join("\n"), { status: "INVALID_ARGUMENT" });
  }
  return Object.fromEntries(taken) as T;
}
