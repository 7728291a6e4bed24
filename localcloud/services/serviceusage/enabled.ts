import type { Cloud } from "../../core/cloud.ts";
import { projectNumber } from "../../core/cloud.ts";
import { GoogleError } from "../../core/errors.ts";
import type { State } from "../../core/state.ts";
import { SERVICES } from "./catalogue.ts";

/** A service that is enabled in a project. */
export interface Enabled {
  /** Milliseconds since 1970 from which calls are served. */
  effectiveAt: number;
}

export function enabledServices(state: State) {
  return state.collection<Enabled>("serviceusage.enabled");
}

export function isEnabled(state: State, project: string, service: string): boolean {
  return enabledServices(state).has(`${project}/${service}`);
}

export function enable(state: State, project: string, service: string, effectiveAt: number): void {
  if (!isEnabled(state, project, service)) enabledServices(state).set(`${project}/${service}`, { effectiveAt });
}

/** Google's 403 for a call to an API that the project has not enabled, or has enabled only just now. */
export function requireEnabled({ state, now }: Cloud, service: string, project: string): void {
  // Projects that are not this cloud's own (Google's image projects) are counted to nobody here.
  if (!state.collection("resourcemanager.projects").has(project)) return;
  const enabled = enabledServices(state).get(`${project}/${service}`);
  if (enabled && enabled.effectiveAt <= now()) return;
  const number = projectNumber(project);
  const url = `https://console.developers.google.com/apis/api/${service}/overview?project=${number}`;
  const title = SERVICES[service]?.title ?? service;
  const message =
    `${title} has not been used in project ${number} before or it is disabled. Enable it by visiting ${url} then retry. ` +
    "If you enabled this API recently, wait a few minutes for the action to propagate to our systems and retry.";
  throw new GoogleError(403, "accessNotConfigured", message, {
    errors: [
      {
        message,
        domain: "usageLimits",
        reason: "accessNotConfigured",
        extendedHelp: "https://console.developers.google.com",
      },
    ],
    status: "PERMISSION_DENIED",
    details: [
      {
        "@type": "type.googleapis.com/google.rpc.Help",
        links: [{ description: "Google developers console API activation", url }],
      },
      {
        "@type": "type.googleapis.com/google.rpc.ErrorInfo",
        reason: "SERVICE_DISABLED",
        domain: "googleapis.com",
        metadata: { consumer: `projects/${number}`, service },
      },
    ],
  });
}
