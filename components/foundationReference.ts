import * as pulumi from "@pulumi/pulumi";
import { z } from "zod";
import type { Config } from "./config.ts";
import type { Ground } from "./foundation.ts";
import { regionsOf } from "./regions.ts";

const outputSchema = z.object({
  project: z.string(),
  network: z.string().optional(),
  subnetworks: z.record(z.string(), z.string()),
  students: z.record(z.string(), z.string()),
});

/**
 * Reads a foundation's outputs for a student's stack. Ends the program, before anything is registered, if the
 * foundation does not know this student or has no subnet where the student wants to train.
 */
export async function readFoundation(config: Config): Promise<Ground> {
  const name = stackName(config.foundation ?? "");
  const { value } = await new pulumi.StackReference(name).getOutputDetails("foundation");
  const problems = value === undefined ? [`stack ${name} has no output "foundation"`] : [];
  const read = outputSchema.safeParse(value);
  if (value !== undefined && !read.success) problems.push(`stack ${name} has an output "foundation" of another shape`);
  const found: Outputs = read.data ?? { project: config.project, subnetworks: {}, students: {} };
  if (read.success) problems.push(...mismatches(config, name, found));
  if (problems.length > 0) {
    const hint = "Is it a stack with mltraining:scope foundation, and has pulumi up run on it since?";
    throw new pulumi.RunError(
      `mltraining:foundation does not fit this stack; nothing was changed.\n  ${[...problems, hint].join("\n  ")}`,
    );
  }
  const { network, subnetworks } = found;
  return { network, subnetworks, serviceAccounts: found.students, ready: [], apis: [] };
}

type Outputs = z.infer<typeof outputSchema>;

function mismatches(config: Config, name: string, found: Outputs): string[] {
  const problems: string[] = [];
  if (found.project !== config.project)
    problems.push(`stack ${name} is in project ${found.project}, this one in ${config.project}`);
  if (!found.students[config.environment]) {
    const known = Object.keys(found.students).join(", ") || "none";
    problems.push(`stack ${name} knows no student ${config.environment} in its mltraining:students (${known})`);
  }
  const missing = regionsOf(config).filter((region) => !found.subnetworks[region]);
  if (missing.length > 0) {
    problems.push(
      `stack ${name} has no subnet in ${missing.join(", ")}, only in ${Object.keys(found.subnetworks).join(", ")}`,
    );
  }
  if (config.workstation && !found.network) {
    problems.push(`stack ${name} does not tell its network, which a workstation needs; run pulumi up on it`);
  }
  return problems;
}

/** `base` → `organization/mltraining/base`; a full name stays. */
export function stackName(text: string): string {
  return text.includes("/") ? text : `${pulumi.getOrganization()}/${pulumi.getProject()}/${text}`;
}
