import { AsyncLocalStorage } from "node:async_hooks";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { Command } from "@pulumi/command/local/command.js";
import { getImage } from "@pulumi/gcp/compute/getImage.js";
import { BucketIAMMember } from "@pulumi/gcp/storage/bucketIAMMember.js";
import * as pulumi from "@pulumi/pulumi";
import { type BaseWish, readBase } from "../images/base.ts";
import { machineObjectsCondition } from "../images/ids.ts";
import type { BuildEnvironment } from "../images/machine.ts";
import { readRecipe } from "../images/recipe.ts";
import type { Environment } from "../training/contract.ts";
import { Problems, UserError } from "../training/errors.ts";
import { whenReady } from "./apiReadiness.ts";
import type { Buckets } from "./buckets.ts";
import type { Config } from "./config.ts";
import type { Ground } from "./foundation.ts";
import type { ImageFamilyConfig } from "./imageFamilyConfig.ts";

const ROOT = fileURLToPath(new URL("..", import.meta.url));

/** A family with its recipe read: what decides whether an image is built. Nothing of it depends on where a clone lies. */
export interface PlannedFamily extends ImageFamilyConfig {
  /** SHA-256 of the recipe's archive, which holds files and contents and no times. */
  recipeSha256: string;
  base: BaseWish;
}

/**
 * Reads and checks the recipe, if the settings name one.
 * @throws {pulumi.RunError} with every problem; nothing has been registered yet
 */
export async function planImageFamily(
  { imageFamily: config, project }: Pick<Config, "imageFamily" | "project">,
  root = ROOT,
): Promise<PlannedFamily | undefined> {
  if (!config) return undefined;
  try {
    const { archive, manifest } = await readRecipe(join(root, config.recipe));
    const today = new Date().toISOString().slice(0, 10);
    const { wish, problems } = readBase(manifest.base, { project, baseProjects: config.baseProjects }, today);
    if (!wish || problems.length > 0) throw new Problems(`The image recipe ${config.recipe} cannot be used`, problems);
    return { ...config, recipeSha256: archive.sha256, base: wish };
  } catch (error) {
    if (!(error instanceof UserError)) throw error;
    throw new pulumi.RunError(`mltraining:imageFamily.recipe cannot be used; nothing was changed.\n${error.message}`);
  }
}

/** The family, if one was planned. */
export function addImageFamily(
  { project, environment, labels }: Config,
  family: PlannedFamily | undefined,
  { ground, buckets }: { ground: Ground; buckets: Buckets },
): ImageFamily | undefined {
  if (!family) return undefined;
  return new ImageFamily(environment, {
    family,
    project,
    environment,
    buckets,
    subnetwork: ground.subnetworks[family.region] ?? "",
    serviceAccount: ground.serviceAccounts[environment] ?? "",
    labels,
    after: ground.ready,
  });
}

export interface ImageFamilyArgs {
  family: PlannedFamily;
  project: string;
  environment: string;
  buckets: { data: pulumi.Input<string>; scratch: pulumi.Input<string> };
  /** Of the family's region. */
  subnetwork: pulumi.Input<string>;
  /** The environment's machines' account, which builders have too. */
  serviceAccount: pulumi.Input<string>;
  labels: Readonly<Record<string, string>>;
  /** The base image is looked up once these are known. */
  after?: pulumi.Input<string[]>;
}

/**
 * A family of images of one's own, built by `mlt image build` when the recipe's content or the exact base image changed,
 * and by nothing else. Images are no resources of Pulumi's: they are promoted and rolled back without it, and a new one
 * does not take the old ones away. A destroy removes them, unless `retainImages` is set.
 *
 * Cost: 0.05 USD per GB and month of an image's archive; a builder and a test machine for some minutes per build.
 */
export class ImageFamily extends pulumi.ComponentResource {
  /**
   * The family as a template names it: `projects/P/global/images/family/F`. Known before there is an image, so that a new
   * image changes no template; what needs an image depends on this component.
   */
  readonly path: string;
  /** The exact image that the last build here made or found. */
  readonly image: pulumi.Output<string>;
  /** For the record in the bucket. */
  readonly settings: pulumi.Output<NonNullable<Environment["imageFamily"]>>;

  constructor(name: string, args: ImageFamilyArgs, opts?: pulumi.ComponentResourceOptions) {
    const { family, project } = args;
    super("mltraining:index:ImageFamily", name, { family: family.family, recipe: family.recipe }, opts);
    const child = { parent: this };
    const { data, scratch } = args.buckets;

    // Markers and logs and nothing else: a machine must not be able to change what a build is made of or stands at.
    const access = new BucketIAMMember(
      `${name}-image-markers`,
      {
        bucket: data,
        role: "roles/storage.objectUser",
        member: pulumi.interpolate`serviceAccount:${args.serviceAccount}`,
        condition: {
          title: "image builds' markers and logs",
          description: "What builders and test machines say at their end",
          expression: pulumi.output(data).apply(machineObjectsCondition),
        },
      },
      child,
    );
    const { region: _region, recipeSha256, base: wish, ...settings } = family;
    this.settings = pulumi.output(args.subnetwork).apply((subnetwork) => ({ ...settings, project, subnetwork }));
    const handed = pulumi
      .all([data, scratch, args.serviceAccount, this.settings])
      .apply(([dataBucket, scratchBucket, serviceAccount, imageFamily]) =>
        JSON.stringify({
          environment: args.environment,
          project,
          buckets: { data: dataBucket, scratch: scratchBucket },
          serviceAccount,
          labels: args.labels,
          imageFamily,
        } satisfies BuildEnvironment),
      );

    // The removal is a resource of its own: a changed trigger replaces the build, and what is replaced is deleted.
    const removal = family.retainImages
      ? []
      : [
          new Command(
            `${name}-images`,
            {
              interpreter: ["node"],
              delete: "cli/images/onDestroy.js",
              environment: { MLT_IMAGE_ENVIRONMENT: handed },
              addPreviousOutputInEnv: false,
            },
            { ...child, dependsOn: [access] },
          ),
        ];
    const base = baseImage(wish, args.after ?? [], this);
    // Bound to this program: the engine calls from outside.
    const before = AsyncLocalStorage.bind((hook: pulumi.ResourceHookArgs) => announce(family, hook));
    const tell = new pulumi.ResourceHook(`${name}-image-family`, before, { onDryRun: true });
    const build = new Command(
      `${name}-image`,
      {
        // No shell, and no folder: the command runs where Pulumi.yaml lies, in this clone as in any other.
        interpreter: ["node"],
        create: "cli/images/onUp.js",
        triggers: [`recipe ${recipeSha256}`, pulumi.interpolate`base image ${base}`],
        environment: { MLT_IMAGE_RECIPE: family.recipe, MLT_IMAGE_BASE: base, MLT_IMAGE_ENVIRONMENT: handed },
        addPreviousOutputInEnv: false,
      },
      { ...child, dependsOn: [access, ...removal], hooks: { beforeCreate: [tell], beforeUpdate: [tell] } },
    );
    this.image = build.stdout.apply((text) => imageIn(text, project));
    this.path = `projects/${project}/global/images/family/${family.family}`;
    this.registerOutputs({ path: this.path, image: this.image });
  }
}

/** `projects/P/global/images/NAME` out of what `mlt image build --json` printed. */
export function imageIn(text: string, project: string): string {
  try {
    const { image } = JSON.parse(text) as { image?: unknown };
    if (typeof image === "string") return `projects/${project}/global/images/${image}`;
  } catch {
    // Told below.
  }
  throw new Error(`mlt image build printed no image's name: ${text.slice(0, 200)}`);
}

/** The exact base image of now. Unknown in the first preview, as long as the APIs are not enabled. */
function baseImage(
  { project, family, name }: BaseWish,
  after: pulumi.Input<string[]>,
  parent: pulumi.Resource,
): pulumi.Output<string> {
  if (name) return pulumi.output(`projects/${project}/global/images/${name}`);
  return pulumi
    .output(after)
    .apply(() => whenReady(() => getImage({ project, ...(family ? { family } : {}) }, { parent })))
    .apply((found) => `projects/${project}/global/images/${found.name}`);
}

/** What a change means, before it happens, in the preview and in the update. */
function announce(family: PlannedFamily, { oldInputs, newInputs }: pulumi.ResourceHookArgs): void {
  const preview = pulumi.runtime.isDryRun();
  const reasons = changedParts(oldInputs?.triggers, newInputs?.triggers);
  if (reasons.length === 0) return;
  const what = preview
    ? `pulumi up will build an image for ${family.family}`
    : `building an image for ${family.family}`;
  void pulumi.log[preview ? "warn" : "info"](`imageFamily: ${what}, because ${reasons.join(" and ")}`);
}

/** In words, what of the triggers differs. */
export function changedParts(before: unknown, after: unknown): string[] {
  if (!Array.isArray(before)) return ["there is none yet"];
  const now = Array.isArray(after) ? after : [];
  const reasons: string[] = [];
  if (before[0] !== now[0]) reasons.push("the recipe changed");
  if (before[1] !== now[1]) {
    const name = (text: unknown) => String(text).split("/").at(-1);
    reasons.push(
      typeof now[1] === "string"
        ? `the base image is ${name(now[1])} now, not ${name(before[1])}`
        : "the base image may have changed",
    );
  }
  return reasons;
}
