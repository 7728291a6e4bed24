import { SubnetworkIAMMember } from "@pulumi/gcp/compute/subnetworkIAMMember.js";
import { IAMCustomRole } from "@pulumi/gcp/projects/iamcustomRole.js";
import { IAMMember } from "@pulumi/gcp/projects/iammember.js";
import * as pulumi from "@pulumi/pulumi";
import { marked } from "./marks.ts";
import { automaticSuffix, environmentProblem, roleId, runPrefix, studentCondition } from "./names.ts";

/**
 * All that a student's path asks of the project's own things: train, follow, cancel, read the console, start and stop
 * the workstation. `tests/course/permissions.test.ts` walks the path and compares. What follows an operation and what
 * finds the project bears no machine's name: `OPERATION_PERMISSIONS` and `OPEN_PROJECT_PERMISSIONS` are roles of their
 * own. No list is among them: a list shows everybody's.
 */
export const STUDENT_PERMISSIONS = [
  "compute.disks.create",
  "compute.disks.setLabels",
  "compute.instanceTemplates.get",
  "compute.instanceTemplates.useReadOnly",
  "compute.instances.create",
  "compute.instances.delete",
  "compute.instances.get",
  "compute.instances.getSerialPortOutput",
  "compute.instances.setLabels",
  "compute.instances.setMetadata",
  "compute.instances.setServiceAccount",
  "compute.instances.start",
  "compute.instances.stop",
  "compute.subnetworks.use",
] as const;

export interface StudentRightsArgs {
  project: string;
  /** The foundation's. */
  environment: string;
  /** A name with a random part that stays in Pulumi's state (see `SelfDeleteRoles`). */
  automaticName: pulumi.Input<string>;
  /** The role with which one sees the project (see `WorkstationRoles`). */
  openProject: pulumi.Input<string>;
  /** Self links, by region. */
  subnetworks: Readonly<Record<string, pulumi.Input<string>>>;
  /** The students' accounts, by environment. */
  accounts: Readonly<Record<string, pulumi.Input<string>>>;
  /** Students who may start nothing for now; their data, and what ends a machine, is untouched. */
  frozen: readonly string[];
}

/**
 * What students may do in the project, as their service accounts: no person is named here. One custom role under a
 * condition on names; the same role on the shared subnetworks, where it comes to `compute.subnetworks.use` alone, since
 * no condition can tell one subnetwork from another; and the right to see the project, which `gcloud compute ssh` asks
 * for first. There is no right to a public address (`useExternalIp`), to act as another account, or to list.
 *
 * Each binding is keyed by the student's environment. Costs nothing.
 */
export class StudentRights extends pulumi.ComponentResource {
  readonly role: pulumi.Output<string>;

  constructor(name: string, args: StudentRightsArgs, opts?: pulumi.ComponentResourceOptions) {
    const problems = Object.keys(args.accounts).flatMap((each) => environmentProblem(each) ?? []);
    if (problems[0]) throw new pulumi.InputPropertyError({ propertyPath: "accounts", reason: problems[0] });
    const { project, environment, frozen } = args;
    super("mltraining:index:StudentRights", name, { project, environment, frozen }, opts);
    const child = { parent: this };
    const title = "a student trains and uses the workstation";
    this.role = new IAMCustomRole(
      `${name}-student`,
      {
        project,
        roleId: pulumi
          .output(args.automaticName)
          .apply((text) => roleId(environment, "student", automaticSuffix(text))),
        title: `${environment}: ${title}`,
        description: marked(title, environment),
        permissions: [...STUDENT_PERMISSIONS],
        stage: "GA",
      },
      child,
    ).name;
    for (const [key, email] of Object.entries(args.accounts)) {
      if (frozen.includes(key)) continue;
      const member = pulumi.interpolate`serviceAccount:${email}`;
      const condition = {
        title: `${key} only`,
        description: marked(`Names that begin with ${runPrefix(key)}, and the workstation`, environment, key),
        expression: studentCondition(key),
      };
      new IAMMember(`${key}-student`, { project, role: this.role, member, condition }, child);
      new IAMMember(`${key}-open-project`, { project, role: args.openProject, member }, child);
      for (const [region, subnetwork] of Object.entries(args.subnetworks)) {
        const use = { project, region, subnetwork, role: this.role, member };
        new SubnetworkIAMMember(`${key}-subnetwork-${region}`, use, child);
      }
    }
    this.registerOutputs({ role: this.role });
  }
}
