import type { BuildResult, BuildState, Image, OpenBuildEnvironment } from "../../images/index.ts";
import { LABELS, ownLabels } from "../../images/labels.ts";
import { DATA, type ImageWorld } from "./world.ts";

export interface Verdict {
  name: string;
  /** What is wrong; nothing: the case ended as it should. */
  problems: string[];
  /** Images in the family that have not passed their test. */
  bad: number;
  /** Machines and disks of the family that are still there. */
  left: number;
}

/** `promoted`, a failure whose message fits, or `untouched`: nothing was built and nothing is left. */
export type End = "promoted" | "untouched" | RegExp;

export interface Ended {
  name: string;
  ends: End;
  /** Whether a tested image stays outside the family. */
  keeps: boolean;
  outcome: BuildResult | Error | undefined;
  log: readonly string[];
}

const BASELINE = "baseline";

/** A good image that the family names before anything goes wrong. */
export async function baseline(world: ImageWorld, environment: OpenBuildEnvironment): Promise<void> {
  const { family } = environment.imageFamily;
  const { name } = await world.compute<{ name: string }>("global/images", "POST", {
    name: `${BASELINE}-${family}`,
    family,
    sourceImage: "projects/debian-cloud/global/images/family/debian-12",
    labels: {
      ...ownLabels({ environment: environment.environment, family }, `${family}-20200101000000-0000`),
      [LABELS.smoke]: "passed",
    },
  });
  for (;;) {
    const { status } = await world.compute<{ status: string }>(`global/operations/${name}`);
    if (status === "DONE") return;
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

/** Looks at everything that a build can leave behind. */
export async function judge(world: ImageWorld, environment: OpenBuildEnvironment, ended: Ended): Promise<Verdict> {
  // What was planned to go wrong is over: this is to see the truth.
  world.cloud.cloud.faults.clear();
  const { family, project } = environment.imageFamily;
  const { outcome, ends } = ended;
  const problems: string[] = [];
  const images = (await world.images.images(project, "")).filter((image) => isOf(image, family));
  const inFamily = images.filter((image) => image.family === family);
  const outside = images.filter((image) => image.family !== family);
  const bad = inFamily.filter((image) => image.labels?.[LABELS.smoke] !== "passed");
  const current = (await world.images.fromFamily(project, family))?.name ?? "no image";

  if (ends === "promoted") {
    if (outcome instanceof Error) problems.push(`ended ${describe(outcome)}, and should have been promoted`);
    else if (current === `${BASELINE}-${family}`) problems.push("the family still names the image before");
    else if (outcome && outcome.image !== current) problems.push(`the family names ${current}, not ${outcome.image}`);
  } else {
    if (current !== `${BASELINE}-${family}`) problems.push(`the family names ${current}, not the image before`);
    if (ends === "untouched" ? outcome !== undefined : !(outcome instanceof Error && ends.test(outcome.message))) {
      problems.push(`ended ${describe(outcome)}, and should have ended ${ends}`);
    }
  }
  if (bad.length > 0) problems.push(`untested in the family: ${names(bad)}`);
  const tested = outside.filter((image) => image.labels?.[LABELS.smoke] === "passed");
  if (tested.length !== outside.length) problems.push(`untested images outside the family: ${names(outside)}`);
  if (tested.length > 0 !== ended.keeps) problems.push(`tested images outside the family: ${names(tested) || "none"}`);
  const left = await leftOf(world, family);
  if (left.length > 0) problems.push(`left: ${left.join(", ")}`);
  if (await environment.objects.read(DATA, `images/lock-${family}.json`)) problems.push("the lock is still there");
  for (const state of await statesOf(environment)) {
    if (!["promoted", "kept", "failed"].includes(state.step) || !state.cleaned) {
      problems.push(`the build ${state.id} stands at ${state.step}, ${state.cleaned ? "" : "not "}cleaned`);
    }
  }
  if (problems.length > 0) problems.push(ended.log.join("\n").slice(-3000));
  return { name: ended.name, problems, bad: bad.length, left: left.length };
}

async function leftOf(world: ImageWorld, family: string): Promise<string[]> {
  const label = `labels.${LABELS.family} = "${family}"`;
  const [machines, disks] = await Promise.all([
    world.images.machines(world.environment.project, label),
    world.images.disks(world.environment.project, label),
  ]);
  return [...machines, ...disks].map(({ zone, thing }) => `${zone}/${thing.name}`);
}

async function statesOf({ objects, imageFamily }: OpenBuildEnvironment): Promise<BuildState[]> {
  const { objects: found } = await objects.list(DATA, { prefix: `images/${imageFamily.family.slice(0, 20)}-` });
  const states = found.filter(({ name }) => name.endsWith("/state.json"));
  const read = await Promise.all(states.map(({ name }) => objects.readJson<BuildState>(DATA, name)));
  return read.flatMap((each) => (each?.value.family === imageFamily.family ? [each.value] : []));
}

function isOf(image: Image, family: string): boolean {
  return image.family === family || image.labels?.[LABELS.family] === family;
}

function names(images: readonly Image[]): string {
  return images.map(({ name }) => name).join(", ");
}

function describe(outcome: BuildResult | Error | undefined): string {
  if (outcome instanceof Error) return JSON.stringify(outcome.message);
  return outcome ? `${outcome.outcome} with ${outcome.image}` : "without a result";
}
