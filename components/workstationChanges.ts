import * as pulumi from "@pulumi/pulumi";

/** Of a workstation's settings those that do not simply change in place. */
export interface WorkstationShape {
  zone: string;
  machineType: string;
  /** GPUs that are attached, as `1 × nvidia-tesla-t4`. */
  gpu?: string;
  spot: boolean;
  /** What the boot disk is made from, as `projects/…`. */
  image: string;
  bootDiskGb: number;
  diskType: string;
  dataDiskGb?: number;
}

/** What a change means for the machine and for what lies on it. */
export interface Consequences {
  /** It would destroy data that nobody asked to destroy, or Google would refuse it in the middle. */
  refusals: string[];
  warnings: string[];
}

const WORDS: Readonly<Record<string, string>> = {
  zone: "zone",
  gpu: "gpu",
  spot: "spot",
  image: "image",
  diskType: "type of disk",
};

/** Pure. */
export function consequences(before: WorkstationShape, after: WorkstationShape): Consequences {
  const refusals: string[] = [];
  const warnings: string[] = [];
  const anew = (["zone", "gpu", "spot", "image", "diskType"] as const).filter((part) => before[part] !== after[part]);
  const had = before.dataDiskGb;
  const has = after.dataDiskGb;
  const way = "Copy what you need to the bucket, take dataDiskGb away (pulumi up), and put it back after the change";
  if (had !== undefined && has !== undefined) {
    if (has < had) {
      refusals.push(
        `dataDiskGb must not go from ${had} to ${has}: disks only grow, and a smaller one would be a new and empty one. ${way}`,
      );
    }
    for (const part of ["zone", "diskType"] as const) {
      if (before[part] === after[part]) continue;
      refusals.push(
        `${WORDS[part]} must not go from ${before[part]} to ${after[part]} while there is a data disk: it cannot come along, and would be deleted with everything on it. ${way}`,
      );
    }
  } else if (had !== undefined) warnings.push("the data disk will be deleted, with everything in /home");
  if (after.bootDiskGb < before.bootDiskGb && anew.length === 0) {
    refusals.push(
      `bootDiskGb must not go from ${before.bootDiskGb} to ${after.bootDiskGb}: disks only grow. For a smaller one take the workstation away (pulumi up) and put it back`,
    );
  }
  if (anew.length > 0) {
    const parts = anew.map((part) => `${WORDS[part]} from ${before[part] ?? "none"} to ${after[part] ?? "none"}`);
    const stays = has !== undefined ? "the data disk (/home) and the bucket stay" : "only what is in the bucket stays";
    warnings.push(`the workstation will be made anew (${parts.join(", ")}): its boot disk goes, ${stays}`);
  } else if (before.machineType !== after.machineType) {
    warnings.push(
      `machineType from ${before.machineType} to ${after.machineType}: the workstation will be stopped and started, its disks stay`,
    );
  }
  return { refusals, warnings };
}

/** What the engine calls before it changes a workstation, in the preview already. */
export async function beforeChange({
  oldInputs,
  newInputs,
}: Pick<pulumi.ResourceHookArgs, "oldInputs" | "newInputs">): Promise<void> {
  if (!oldInputs || !newInputs) return;
  const { refusals, warnings } = consequences(oldInputs as WorkstationShape, newInputs as WorkstationShape);
  for (const warning of warnings) await pulumi.log.warn(`mltraining:workstation: ${warning}`);
  if (refusals.length > 0) {
    throw new pulumi.RunError(
      `mltraining:workstation cannot change so; it was left as it is.\n${refusals.map((refusal) => `  ${refusal}`).join("\n")}`,
    );
  }
}
