import { Refused } from "../../cleanup/rest.ts";
import { messageOf } from "../../training/errors.ts";

/**
 * One thing that was looked at. `missing`: in the way; `warn`: a class may meet it; `unknown`: it could not be seen;
 * `later`: not there, and `up` makes it.
 */
export interface CheckItem {
  /** Absent: of the whole course. */
  project?: string;
  name: string;
  state: "ok" | "missing" | "warn" | "unknown" | "later";
  detail: string;
  /** The command or page that puts it right. */
  fix?: string;
}

/** What a call that was refused leaves unknown, with what would let it through. */
export function unseen(project: string | undefined, name: string, what: string, error: unknown): CheckItem {
  const item = { ...(project === undefined ? {} : { project }), name, state: "unknown" as const };
  if (!(error instanceof Refused)) throw error;
  if (error.disabled) {
    const [, api = ""] = /([a-z]+\.googleapis\.com)/.exec(error.message) ?? [];
    const fix = api ? `gcloud services enable ${api}${project ? ` --project ${project}` : ""}` : undefined;
    return { ...item, detail: `${what} cannot be seen: the API for it is off`, ...(fix ? { fix } : {}) };
  }
  return { ...item, detail: `${what} cannot be seen (${error.status}): ${messageOf(error)}` };
}
