import { IAMCustomRole } from "@pulumi/gcp/projects/iamcustomRole.js";
import * as pulumi from "@pulumi/pulumi";
import { marked } from "./marks.ts";
import { automaticSuffix, environmentProblem, roleId } from "./names.ts";

/** What a machine needs to remove itself: to look at itself and to delete itself … */
export const SELF_DELETE_PERMISSIONS = ["compute.instances.delete", "compute.instances.get"] as const;
/** … and to see how the deletion goes. Operations bear no machine's name, so no condition can fit them. */
export const OPERATION_PERMISSIONS = ["compute.zoneOperations.get"] as const;

export interface SelfDeleteRolesArgs {
  project: string;
  environment: string;
  /**
   * A name that the provider gave, with a random part that stays in Pulumi's state. The ids of deleted custom roles are
   * blocked for weeks, so each life of an environment needs its own. The provider's automatic names for roles hold a
   * hyphen, which Google refuses in a role's id: the part is taken from this name instead.
   */
  automaticName: pulumi.Input<string>;
}

/** The two custom roles with which a training machine ends itself. Costs nothing. */
export class SelfDeleteRoles extends pulumi.ComponentResource {
  /** Role to bind under the condition on the machine's name. */
  readonly selfDelete: pulumi.Output<string>;
  /** Role to bind without a condition. */
  readonly watchOperations: pulumi.Output<string>;

  constructor(name: string, args: SelfDeleteRolesArgs, opts?: pulumi.ComponentResourceOptions) {
    const problem = environmentProblem(args.environment);
    if (problem) throw new pulumi.InputPropertyError({ propertyPath: "environment", reason: problem });
    super("mltraining:index:SelfDeleteRoles", name, args, opts);
    const suffix = pulumi.output(args.automaticName).apply(automaticSuffix);
    const role = (word: string, title: string, permissions: readonly string[]): pulumi.Output<string> =>
      new IAMCustomRole(
        `${name}-${word}`,
        {
          project: args.project,
          roleId: suffix.apply((text) => roleId(args.environment, word, text)),
          title: `${args.environment}: ${title}`,
          description: marked(title, args.environment),
          permissions: [...permissions],
          stage: "GA",
        },
        { parent: this },
      ).name;
    this.selfDelete = role("selfDelete", "a training machine deletes itself", SELF_DELETE_PERMISSIONS);
    this.watchOperations = role("watchOperations", "a training machine follows its deletion", OPERATION_PERMISSIONS);
    this.registerOutputs({ selfDelete: this.selfDelete, watchOperations: this.watchOperations });
  }
}
