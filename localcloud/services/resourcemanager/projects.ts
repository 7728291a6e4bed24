import type { Cloud } from "../../core/cloud.ts";
import { projectNumber } from "../../core/cloud.ts";
import { rpcError } from "../../core/errors.ts";
import type { State } from "../../core/state.ts";

export interface Project {
  projectId: string;
  projectNumber: string;
  name: string;
  createTime: string;
  labels: Record<string, string>;
}

export function projects(state: State) {
  return state.collection<Project>("resourcemanager.projects");
}

/** The number of the organization that a project is in, by the project's id; of most projects there is none. */
export function organizations(state: State) {
  return state.collection<string>("resourcemanager.organizations");
}

/** The project of this id; a new one is made if there is none. */
export function ensureProject({ state, now }: Pick<Cloud, "state" | "now">, projectId: string): Project {
  if (!/^[a-z][-a-z0-9]{4,28}[a-z0-9]$/.test(projectId)) {
    throw new Error(
      `A project id has 6 to 30 small letters, digits and hyphens and starts with a letter, because Google wants it so; got ${JSON.stringify(projectId)}.`,
    );
  }
  const known = projects(state).get(projectId);
  if (known) return known;
  return projects(state).set(projectId, {
    projectId,
    projectNumber: projectNumber(projectId),
    name: projectId,
    createTime: new Date(now()).toISOString(),
    labels: {},
  });
}

/** A project by id or number; Google answers 403 also for what does not exist. */
export function project(state: State, idOrNumber: string): Project {
  const found =
    projects(state).get(idOrNumber) ??
    projects(state)
      .values()
      .find((each) => each.projectNumber === idOrNumber);
  if (!found) throw rpcError(403, `The caller does not have permission: project '${idOrNumber}' may not exist.`);
  return found;
}
