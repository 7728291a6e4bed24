import { getProject } from "@pulumi/gcp/organizations/getProject.js";
import { IAMCustomRole } from "@pulumi/gcp/projects/iamcustomRole.js";
import { IAMMember } from "@pulumi/gcp/projects/iammember.js";
import * as pulumi from "@pulumi/pulumi";
import { whenReady } from "./apiReadiness.ts";
import { marked } from "./marks.ts";
import { automaticSuffix, memberKey, roleId } from "./names.ts";

/** What Google's agent needs to stop and start machines by a schedule: "Scheduling a VM instance to start and stop". */
export const SCHEDULE_PERMISSIONS = ["compute.instances.start", "compute.instances.stop"] as const;
/**
 * What `gcloud compute ssh` reads of the project before it connects. `roles/compute.osLogin` holds it, too, but granted
 * on an instance it does not reach the project.
 */
export const OPEN_PROJECT_PERMISSIONS = ["compute.projects.get"] as const;

export interface WorkstationRolesArgs {
  project: string;
  environment: string;
  /** A name with a random part that stays in Pulumi's state (see `SelfDeleteRoles`). */
  automaticName: pulumi.Input<string>;
  /** Whether schedules stop workstations here. */
  schedules: boolean;
  /** Who is to see the project: `user:…`, `group:…`. */
  people: readonly string[];
  /** Makes the role for people even if nobody is named here: students' workstations. */
  shared?: boolean;
  /** Known once the APIs are enabled. */
  after: pulumi.Input<string[]>;
}

/**
 * What workstations need on the project: the Compute Engine service agent's right to start and stop machines, and the
 * right to see the project for the people who connect. Costs nothing.
 */
export class WorkstationRoles extends pulumi.ComponentResource {
  /** The role for people; absent if nobody needs it. */
  readonly openProject?: pulumi.Output<string>;

  constructor(name: string, args: WorkstationRolesArgs, opts?: pulumi.ComponentResourceOptions) {
    const { after, automaticName, ...shown } = args;
    super("mltraining:index:WorkstationRoles", name, shown, opts);
    const { project, environment } = args;
    const child = { parent: this };
    const suffix = pulumi.output(automaticName).apply(automaticSuffix);
    const role = (word: string, title: string, permissions: readonly string[]): pulumi.Output<string> =>
      new IAMCustomRole(
        `${name}-${word}`,
        {
          project,
          roleId: suffix.apply((text) => roleId(environment, word, text)),
          title: `${environment}: ${title}`,
          description: marked(title, environment),
          permissions: [...permissions],
          stage: "GA",
        },
        child,
      ).name;

    if (args.schedules) {
      const schedules = role(
        "runSchedules",
        "Google stops and starts workstations by a schedule",
        SCHEDULE_PERMISSIONS,
      );
      new IAMMember(
        `${name}-run-schedules`,
        { project, role: schedules, member: scheduleAgent(project, after, this) },
        child,
      );
    }
    if (args.people.length > 0 || args.shared) {
      const openProject = role("openProject", "people find the project of a workstation", OPEN_PROJECT_PERMISSIONS);
      for (const member of args.people) {
        new IAMMember(`${name}-open-project-${memberKey(member)}`, { project, role: openProject, member }, child);
      }
      this.openProject = openProject;
    }
    this.registerOutputs({ openProject: this.openProject });
  }
}

/** The Compute Engine service agent, which is there once the API is enabled. */
function scheduleAgent(project: string, after: pulumi.Input<string[]>, parent: pulumi.Resource): pulumi.Output<string> {
  return pulumi
    .output(after)
    .apply(() => whenReady(() => getProject({ projectId: project }, { parent })))
    .apply(({ number }) => `serviceAccount:service-${number}@compute-system.iam.gserviceaccount.com`);
}
