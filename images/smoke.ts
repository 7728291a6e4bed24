import { startupScript } from "../components/startupScript.ts";
import { UserError } from "../training/errors.ts";
import { imagePath } from "./base.ts";
import type { BuildOptions } from "./build.ts";
import { provenanceOf, resolveImage } from "./family.ts";
import { machineName } from "./ids.ts";
import { LABELS } from "./labels.ts";
import { runMachine } from "./machineJob.ts";
import { sweep } from "./remove.ts";
import { readState } from "./state.ts";
import { type OpenBuildEnvironment, type WorkOptions, withFamily } from "./work.ts";

export type TestOptions = WorkOptions & Pick<BuildOptions, "onLog" | "script" | "reached">;

export interface TestResult {
  image: string;
  passed: boolean;
  reason?: string;
}

/**
 * Runs the smoke test of an image's own recipe on a fresh machine again, and labels the image with the outcome. It does
 * not move the family: a current image that fails is told, and `rollback` leads away from it.
 */
export async function testImage(
  environment: OpenBuildEnvironment,
  wanted: string,
  options: TestOptions = {},
): Promise<TestResult> {
  return withFamily(environment, "the test of", options, async ({ cloud, limits, lock, progress }) => {
    const { objects, buckets, imageFamily } = environment;
    const image = await resolveImage(cloud, environment, wanted);
    const name = String(image.name);
    const { build } = provenanceOf(image);
    const stored = build ? await readState(objects, buckets.data, build) : undefined;
    if (!build || !stored) {
      throw new UserError(
        `The recipe of ${name} is not in gs://${buckets.data}/images/ any more, so there is nothing to test it with. Build a new one: mlt image build FOLDER`,
      );
    }
    await lock.name(build);
    progress(`testing ${name} on a fresh machine`);
    const outcome = await runMachine({
      cloud,
      environment,
      limits,
      progress,
      build,
      objects,
      spot: false,
      script: options.script ?? startupScript("image-build.sh"),
      wish: {
        role: "test",
        name: machineName(environment.environment, build, "test"),
        image: imagePath({ project: imageFamily.project, name }),
        machineType: stored.state.machineType,
        diskGb: stored.state.diskGb,
        gpu: stored.state.base.gpu,
      },
      onZone: async () => undefined,
      onLog: options.onLog ?? (() => undefined),
      reached: async (point) => options.reached?.(point, lock),
      ...(options.signal ? { signal: options.signal } : {}),
    }).finally(() => sweep(cloud, environment, { only: build, progress }));
    await cloud.labelImage(imageFamily.project, name, { [LABELS.smoke]: outcome.ok ? "passed" : "failed" });
    return { image: name, passed: outcome.ok, ...(outcome.ok ? {} : { reason: outcome.reason ?? "no reason given" }) };
  });
}
