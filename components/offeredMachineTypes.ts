import { getMachineTypes } from "@pulumi/gcp/compute/getMachineTypes.js";
import * as pulumi from "@pulumi/pulumi";
import { zonesOf } from "../catalog/zones.ts";
import type { KubeflowConfig } from "./kubeflowConfig.ts";

type Pools = Pick<KubeflowConfig, "systemPool" | "gpuPool">;

/**
 * Asks Google whether every zone has its pools' machine types: a wrong one would otherwise be told after the control
 * plane's quarter of an hour.
 * @throws {pulumi.RunError} naming each that is not there, and the zones of its region that have it
 */
export async function requireMachineTypes(
  project: string,
  { systemPool, gpuPool }: Pools,
  parent?: pulumi.Resource,
): Promise<void> {
  const has = async (machineType: string, zone: string): Promise<boolean> => {
    const name = listedAs(machineType);
    const { machineTypes } = await getMachineTypes({ project, zone, filter: `name = "${name}"` }, { parent });
    return machineTypes.some((found) => found.name === name);
  };
  const problems: string[] = [];
  const wanted: [string, string, string[]][] = [["systemPool", systemPool.machineType, systemPool.zones]];
  if (gpuPool) wanted.push(["gpuPool", gpuPool.machineType, gpuPool.zones]);
  for (const [key, machineType, zones] of wanted) {
    for (const zone of zones) {
      if (await has(machineType, zone)) continue;
      const others = zonesOf(zone.slice(0, -2)).filter((other) => other !== zone);
      const having: string[] = [];
      for (const other of others) if (await has(machineType, other)) having.push(other);
      const instead = having.length > 0 ? `of its region ${having.join(", ")} have it` : "no zone of its region has it";
      problems.push(`mltraining:kubeflow.${key}.machineType: there is no ${machineType} in ${zone}; ${instead}`);
    }
  }
  if (problems.length === 0) return;
  throw new pulumi.RunError(`The cluster cannot be made so; nothing of it was made.\n  ${problems.join("\n  ")}`);
}

/**
 * The same before anything is registered. Where Google does not answer yet (an API that the program enables itself), the
 * cluster asks again before it is made.
 * @throws {pulumi.RunError}
 */
export async function requireMachineTypesEarly(project: string, pools: Pools): Promise<void> {
  try {
    await requireMachineTypes(project, pools);
  } catch (error) {
    if (error instanceof pulumi.RunError) throw error;
  }
}

/** Custom types are in no list: a zone that has their family's usual one has them. */
function listedAs(machineType: string): string {
  const [custom, family = "n1"] = /^(?:([a-z]\w*)-)?custom-/.exec(machineType) ?? [];
  return custom === undefined ? machineType : `${family}-standard-4`;
}
