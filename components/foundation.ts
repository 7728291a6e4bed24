import * as pulumi from "@pulumi/pulumi";
import { CourseData, type CourseDataArgs } from "./courseData.ts";
import { MachineIdentity } from "./machineIdentity.ts";
import { Network } from "./network.ts";
import { ProjectServices, SERVICES, STUDENT_SERVICES } from "./projectServices.ts";
import { SelfDeleteRoles } from "./selfDeleteRoles.ts";
import { SshAccess } from "./sshAccess.ts";
import { StudentRights } from "./studentRights.ts";
import { WorkstationRoles } from "./workstationRoles.ts";

/** What an environment stands on; made here, or read from the foundation's stack. */
export interface Ground {
  /** Self links, by region. */
  subnetworks: Readonly<Record<string, pulumi.Input<string>>>;
  /** Self link; absent if an older foundation does not tell it. */
  network?: pulumi.Input<string>;
  /** The machines' service accounts, by environment. */
  serviceAccounts: Readonly<Record<string, pulumi.Input<string>>>;
  /** The course's shared bucket, if this foundation makes it. */
  courseData?: pulumi.Input<string>;
  /** Known once the APIs are enabled. */
  ready: pulumi.Input<string[]>;
  /** What others wait for before their first call to an API. */
  apis: pulumi.Resource[];
}

export interface FoundationArgs {
  project: string;
  environment: string;
  regions: readonly string[];
  /** Whose machines run here: the environment's own (`solo`) or each student's (`foundation`). */
  environments: readonly string[];
  /** What workstations need on the project; absent: there is none. */
  workstations?: { schedules: boolean; people: readonly string[]; shared?: boolean };
  /** What students may start here; absent: the environment is no foundation of students. */
  students?: { frozen: readonly string[] };
  /** The bucket that a course shares; absent: none. */
  courseData?: Omit<CourseDataArgs, "project" | "machines">;
}

/**
 * What a project has once and what is slow or unsafe to make again: APIs, network, custom roles, and every binding on
 * the project. Bindings name the machines' service accounts, and Google refuses a binding for an account that does not
 * exist, so the accounts are made here too: a student's stack writes nothing on the project. Everything of a student is
 * keyed by the student's environment; taking one out of the list touches no other.
 *
 * Cost: the network's (see `Network`).
 */
export class Foundation extends pulumi.ComponentResource implements Ground {
  readonly subnetworks: Readonly<Record<string, pulumi.Output<string>>>;
  readonly network: pulumi.Output<string>;
  readonly serviceAccounts: Readonly<Record<string, pulumi.Output<string>>>;
  readonly courseData?: pulumi.Output<string>;
  readonly ready: pulumi.Output<string[]>;
  readonly apis: pulumi.Resource[];

  constructor(name: string, args: FoundationArgs, opts?: pulumi.ComponentResourceOptions) {
    super("mltraining:index:Foundation", name, args, opts);
    const { project, environment, regions } = args;

    const wanted = args.students ? [...SERVICES, ...STUDENT_SERVICES] : SERVICES;
    const services = new ProjectServices(name, { project, services: wanted }, { parent: this });
    const enabled = { parent: this, dependsOn: [services] };
    const network = new Network(name, { project, environment, regions }, enabled);
    const roles = new SelfDeleteRoles(name, { project, environment, automaticName: network.networkName }, enabled);
    this.serviceAccounts = Object.fromEntries(
      args.environments.map((key) => {
        const { selfDelete, watchOperations } = roles;
        const own = { project, environment: key, madeBy: environment, selfDelete, watchOperations };
        const identity = new MachineIdentity(key, own, enabled);
        return [key, identity.email];
      }),
    );
    const { network: vpc } = network;
    new SshAccess(name, { project, environment, network: vpc, targets: this.serviceAccounts }, enabled);
    if (args.workstations) {
      const own = { project, environment, automaticName: network.networkName, after: services.enabled };
      const { openProject } = new WorkstationRoles(name, { ...own, ...args.workstations }, enabled);
      if (args.students && openProject) {
        const { subnetworks } = network;
        const rights = { project, environment, automaticName: network.networkName, openProject, subnetworks };
        new StudentRights(name, { ...rights, accounts: this.serviceAccounts, ...args.students }, enabled);
      }
    }
    if (args.courseData) {
      const own = { project, machines: this.serviceAccounts, ...args.courseData };
      this.courseData = new CourseData(name, own, enabled).bucket;
    }
    this.network = vpc;
    this.subnetworks = network.subnetworks;
    this.ready = services.enabled;
    this.apis = [services];
    this.registerOutputs({ subnetworks: this.subnetworks, serviceAccounts: this.serviceAccounts });
  }
}
