import { QUOTA_WORDS, type QuotaRow } from "../../catalog/quotas.ts";
import { defaultSizes } from "../../components/kubeflowConfig.ts";
import { momentsOf, peakOf } from "../../components/kubeflowQuota.ts";
import { AUTH_PLUGIN, AUTH_PLUGIN_HINT } from "../../kubeflow/kubeconfig.ts";
import { findProgram, loginHeaders } from "../../training/auth.ts";
import { computeRoot } from "../../training/endpoints.ts";
import { explained, messageOf } from "../../training/errors.ts";
import type { Check } from "./doctor.ts";

/** What a cluster with Kubeflow Pipelines needs of this computer. */
export function programChecks(): Check[] {
  return [
    programCheck(
      AUTH_PLUGIN,
      "`pulumi up` logs in to the cluster by it",
      AUTH_PLUGIN_HINT.replace(/^install it with: /, ""),
    ),
    programCheck(
      "kubectl",
      "`pulumi up` renders Kubeflow's manifests with it, and `mlt kubeflow` reaches the cluster by it",
      "gcloud components install kubectl (or https://kubernetes.io/docs/tasks/tools/)",
    ),
  ];
}

function programCheck(program: string, why: string, fix: string): Check {
  const file = findProgram(program);
  const name = program === AUTH_PLUGIN ? "gke plugin" : program;
  if (file) return { name, state: "ok", detail: file };
  return { name, state: "missing", detail: `${program} is not installed; ${why}`, fix };
}

interface Quota {
  metric: string;
  limit: number;
  usage: number;
}

const OF_REGION = ["CPUS", "SSD_TOTAL_GB"] as const;
const OF_PROJECT = ["CPUS_ALL_REGIONS"] as const;

/**
 * Whether the project's quotas have room for a cluster of the default sizes at its largest, or for a free trial's.
 * @param there whether the cluster is there already, so that the project's usage holds it
 */
export async function quotaCheck(project: string, region: string, there: boolean): Promise<Check> {
  const name = "quotas";
  const path = `projects/${encodeURIComponent(project)}`;
  try {
    const [inRegion, inAll] = await Promise.all([read(`${path}/regions/${region}`), read(path)]);
    const quotas = [...pick(inRegion, OF_REGION), ...pick(inAll, OF_PROJECT)];
    const shown = quotas.map(({ metric, limit, usage }) => `${metric} ${usage} of ${limit}`).join(", ");
    if (there) return { name, state: "ok", detail: `used in ${region}: ${shown}` };
    const lacking = (preset: "default" | "freeTrial") =>
      quotas.filter(({ metric, limit, usage }) => limit - usage < peak(preset, metric as keyof QuotaRow));
    const needs = (preset: "default" | "freeTrial") =>
      quotas.map(({ metric }) => {
        const { unit, where } = QUOTA_WORDS[metric as keyof QuotaRow];
        return `${peak(preset, metric as keyof QuotaRow)} ${unit} ${where}`;
      });
    if (lacking("default").length === 0) return { name, state: "ok", detail: `room in ${region} (${shown})` };
    const page = `https://console.cloud.google.com/iam-admin/quotas?project=${project}`;
    if (lacking("freeTrial").length === 0) {
      const detail = `${region} has room for a free trial's sizes only (${shown}); the defaults take ${needs("default").join(", ")}`;
      return { name, state: "later", detail, fix: `pulumi config set preset freeTrial, or ask for more: ${page}` };
    }
    const detail = `too little in ${region} (${shown}); even a free trial's sizes take ${needs("freeTrial").join(", ")}`;
    const fix = `${page}; without a cluster the same pipeline runs on one machine: examples/mnist-pipeline`;
    return { name, state: "missing", detail, fix };
  } catch (error) {
    const why = messageOf(explained(error, "Asking for them"));
    return { name, state: "later", detail: `those of ${project} cannot be seen: ${why}` };
  }
}

function peak(preset: "default" | "freeTrial", metric: keyof QuotaRow): number {
  return peakOf(metric, momentsOf(defaultSizes(preset))).amount;
}

function pick(quotas: readonly Quota[], metrics: readonly string[]): Quota[] {
  return metrics.flatMap((metric) => quotas.filter((quota) => quota.metric === metric));
}

async function read(path: string): Promise<Quota[]> {
  const url = `${computeRoot() ?? "https://compute.googleapis.com/"}compute/v1/${path}`;
  const response = await fetch(url, { headers: await loginHeaders(url), signal: AbortSignal.timeout(10_000) });
  const text = await response.text();
  if (!response.ok) throw new Error(messageOf(new Error(text)));
  return (JSON.parse(text) as { quotas?: Quota[] }).quotas ?? [];
}
