import { Service } from "@pulumi/gcp/projects/service.js";
import * as pulumi from "@pulumi/pulumi";

/** The APIs that an environment calls, from the program, the launcher or the machines. */
export const SERVICES = [
  "cloudresourcemanager.googleapis.com",
  "compute.googleapis.com",
  "iam.googleapis.com",
  "iap.googleapis.com",
  "storage.googleapis.com",
] as const;

/** What a foundation needs besides: students have tokens of their service accounts made. */
export const STUDENT_SERVICES = ["iamcredentials.googleapis.com"] as const;

export interface ProjectServicesArgs {
  project: string;
  /** @default SERVICES */
  services?: readonly string[];
}

/**
 * Enables APIs and leaves them enabled: another environment of the project may need them, and an enabled API costs
 * nothing. How the first calls survive the time until an API answers is in apiReadiness.ts.
 */
export class ProjectServices extends pulumi.ComponentResource {
  /** By service. Known once every API has been enabled. */
  readonly enabled: pulumi.Output<string[]>;

  constructor(name: string, args: ProjectServicesArgs, opts?: pulumi.ComponentResourceOptions) {
    const services = args.services ?? SERVICES;
    const wrong = services.filter((service) => !/^[a-z0-9.-]+\.googleapis\.com$/.test(service));
    if (wrong.length > 0) {
      throw new pulumi.InputPropertyError({
        propertyPath: "services",
        reason: `must be names such as compute.googleapis.com; got ${wrong.join(", ")}`,
      });
    }
    super("mltraining:index:ProjectServices", name, args, opts);
    const created = services.map(
      (service) =>
        new Service(
          `${name}-${service.split(".")[0]}`,
          { project: args.project, service, disableOnDestroy: false },
          { parent: this },
        ),
    );
    this.enabled = pulumi.all(created.map(({ id, service }) => pulumi.all([id, service]).apply(([, text]) => text)));
    this.registerOutputs({ enabled: this.enabled });
  }
}
