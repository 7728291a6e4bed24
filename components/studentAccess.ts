import { InstanceIAMMember } from "@pulumi/gcp/compute/instanceIAMMember.js";
import { TunnelInstanceIAMMember } from "@pulumi/gcp/iap/tunnelInstanceIAMMember.js";
import { IAMMember as AccountIAMMember } from "@pulumi/gcp/serviceaccount/iammember.js";
import { BucketIAMMember } from "@pulumi/gcp/storage/bucketIAMMember.js";
import * as pulumi from "@pulumi/pulumi";
import type { Buckets } from "./buckets.ts";
import type { Config } from "./config.ts";
import { marked } from "./marks.ts";
import type { Workstation } from "./workstation.ts";

/** Objects of the data bucket that are the instructor's alone: how `mlt` knows the environment, and what the course says. */
export const INSTRUCTORS_OBJECTS = ["environment.json", "course-notice.txt"] as const;

export interface StudentAccessArgs {
  project: string;
  environment: string;
  /** `user:…` or `group:…` */
  member: string;
  serviceAccount: pulumi.Input<string>;
  data: pulumi.Input<string>;
  scratch: pulumi.Input<string>;
  /** The workstation, once it is there. */
  workstation?: { zone: string; instance: pulumi.Input<string> };
}

/** IAM condition: every object of `bucket` but the instructor's. */
export function studentObjects(bucket: string): string {
  const objects = `projects/_/buckets/${bucket}/objects/`;
  return [
    `resource.name.startsWith("${objects}")`,
    ...INSTRUCTORS_OBJECTS.map((name) => `resource.name != "${objects}${name}"`),
  ].join(" && ");
}

/**
 * What a student's Google account may do, on the student's own things and nowhere else: the two buckets, the service
 * account (to act as it, and to have tokens of it, with which `mlt` asks Compute Engine), the workstation. The account
 * itself may act as itself, because it makes the machines that run as it, and reaches the workstation, because `mlt ssh`
 * goes there as it. Nothing is granted on the project. The person's address stands in the bindings and nowhere else: no
 * resource is named after it. Costs nothing.
 */
export class StudentAccess extends pulumi.ComponentResource {
  constructor(name: string, args: StudentAccessArgs, opts?: pulumi.ComponentResourceOptions) {
    const { project, environment, member, workstation } = args;
    super("mltraining:index:StudentAccess", name, { project, environment }, opts);
    const child = { parent: this };
    const { data, scratch } = args;
    new BucketIAMMember(`${name}-person-read`, { bucket: data, role: "roles/storage.objectViewer", member }, child);
    new BucketIAMMember(
      `${name}-person-write`,
      {
        bucket: data,
        role: "roles/storage.objectUser",
        member,
        condition: {
          title: "the student's folder",
          description: marked(`Objects that are not ${INSTRUCTORS_OBJECTS.join(", ")}`, environment),
          expression: pulumi.output(data).apply(studentObjects),
        },
      },
      child,
    );
    new BucketIAMMember(`${name}-person-scratch`, { bucket: scratch, role: "roles/storage.objectUser", member }, child);

    const serviceAccountId = pulumi.interpolate`projects/${project}/serviceAccounts/${args.serviceAccount}`;
    const account = pulumi.interpolate`serviceAccount:${args.serviceAccount}`;
    const onAccount = (word: string, role: string, whom: pulumi.Input<string>) =>
      new AccountIAMMember(`${name}-${word}`, { serviceAccountId, role, member: whom }, child);
    onAccount("person-use", "roles/iam.serviceAccountUser", member);
    onAccount("person-tokens", "roles/iam.serviceAccountTokenCreator", member);
    onAccount("self-use", "roles/iam.serviceAccountUser", account);

    if (workstation) {
      const { zone, instance } = workstation;
      for (const [word, whom] of [
        ["person", member],
        ["self", account],
      ] as const) {
        const tunnel = { project, zone, instance, role: "roles/iap.tunnelResourceAccessor", member: whom };
        new TunnelInstanceIAMMember(`${name}-${word}-tunnel`, tunnel, child);
        const login = { project, zone, instanceName: instance, role: "roles/compute.osAdminLogin", member: whom };
        new InstanceIAMMember(`${name}-${word}-login`, login, child);
      }
    }
    this.registerOutputs({});
  }
}

/** The student's rights, if the stack says whose it is. */
export function addStudentAccess(
  { project, environment, student, workstation: station }: Config,
  parts: { serviceAccount: pulumi.Input<string>; buckets: Buckets; workstation?: Workstation },
): void {
  if (!student) return;
  const { buckets, serviceAccount, workstation } = parts;
  const machine = workstation && station && { zone: station.zone, instance: workstation.instanceName };
  new StudentAccess(environment, {
    project,
    environment,
    member: student.member,
    serviceAccount,
    data: buckets.data,
    scratch: buckets.scratch,
    workstation: machine,
  });
}
