import { createHash } from "node:crypto";
import type { Limits, OpenBuildEnvironment } from "../../images/index.ts";
import type { Fault } from "../../localcloud/core/faults.ts";
import type { End } from "./judge.ts";
import type { MachinePlan } from "./machine.ts";
import { DATA, GOOD, type ImageWorld, withStep } from "./world.ts";

export interface Acting {
  world: ImageWorld;
  environment: OpenBuildEnvironment;
  log: readonly string[];
  stop: () => void;
}

/** One build in which one thing goes wrong, and how it has to end. */
export interface ImageCase {
  name: string;
  kind: "recipe" | "machine" | "test" | "cloud" | "promotion";
  /** Also run by `npm test`. */
  quick?: boolean;
  files?: Record<string, string>;
  plan?: MachinePlan;
  faults?: Omit<Fault, "id">[];
  limits?: Partial<Limits>;
  settings?: Partial<OpenBuildEnvironment["imageFamily"]>;
  /** What happens beside the build. */
  act?: (acting: Acting) => Promise<void>;
  /** The cloud is well again and `mlt image clean` is run before anybody looks. */
  cleanAfter?: boolean;
  ends: End;
  keeps?: boolean;
}

const compute = (method: string, path: string, more: Omit<Fault, "id">): Omit<Fault, "id"> => ({
  service: "compute",
  method,
  path,
  ...more,
});
const INTERNAL = { operationError: { code: "INTERNAL_ERROR", message: "Internal error." } };
const DOWN = { error: { code: 503, reason: "backendError", message: "Backend error." } };
const STOCK_OUT = {
  operationError: { code: "ZONE_RESOURCE_POOL_EXHAUSTED", message: "The zone does not have enough resources." },
};
const HANGS = withStep("#!/bin/sh\necho hanging\nexec sleep 600\n");
const SIX = `six==1.17.0 --hash=sha256:${"0".repeat(64)}\n`;
const failed = (reason: string): RegExp => new RegExp(`^The build fam-\\d{14}-[0-9a-f]{4} failed: ${reason}\n`);

export const CASES: readonly ImageCase[] = [
  {
    name: "apt fails",
    kind: "recipe",
    quick: true,
    plan: { stubs: { "apt-get": "echo 'E: Unable to locate package htop' >&2; exit 100" } },
    ends: failed("apt-get could not install htop: exit 100"),
  },
  {
    name: "pip finds no such release",
    kind: "recipe",
    files: { "requirements.txt": SIX },
    plan: { env: { PIP_NO_INDEX: "1" } },
    ends: failed("pip install failed: exit 1, requirements\\.txt line 1"),
  },
  {
    name: "a package's hash differs",
    kind: "recipe",
    quick: true,
    files: { "requirements.txt": `mlt-probe==1.0 --hash=sha256:${"0".repeat(64)}\n` },
    plan: { env: { PIP_NO_INDEX: "1", PIP_FIND_LINKS: "/tmp/mlt-image-fault-wheels" }, prelude: wheel() },
    ends: failed("pip install failed: exit 1, requirements\\.txt line 1"),
  },
  {
    name: "a step fails",
    kind: "recipe",
    files: withStep("#!/bin/sh\necho no such driver\nexit 3\n"),
    ends: failed("step\\.sh failed: exit 3 \\(no such driver\\)"),
  },
  {
    name: "the disk is full",
    kind: "recipe",
    files: withStep("#!/bin/sh\nexec cat /dev/zero >/dev/full\n"),
    ends: failed("step\\.sh failed: exit 1 \\(.*No space left on device\\)"),
  },
  {
    name: "the recipe is changed on its way",
    kind: "recipe",
    act: async ({ world, environment }) => {
      const name = await appears(world, environment, /\/recipe\.tar\.gz$/);
      await environment.objects.write(DATA, name, "something else");
    },
    plan: { prelude: "sleep 1" },
    ends: failed("recipe has the wrong checksum: SHA-256 \\w{12}…, expected \\w{12}…"),
  },
  {
    name: "a step hangs, and the launcher gives the machine up",
    kind: "machine",
    files: HANGS,
    limits: { machineMs: 1500, operationMs: 2500 },
    ends: failed("the builder did not end within 0 min, its time limit"),
  },
  {
    name: "a step hangs, and Google deletes the machine",
    kind: "machine",
    files: HANGS,
    limits: { machineMs: 30_000, operationMs: 20_000 },
    ends: failed("the builder did not end within 0\\.5 min, its time limit"),
  },
  {
    name: "the marker is missing: the script does nothing",
    kind: "machine",
    plan: { prelude: "exit 0" },
    limits: { machineMs: 1500, operationMs: 2500 },
    ends: failed("the builder did not end within 0 min, its time limit"),
  },
  {
    name: "another machine says that the build is done",
    kind: "machine",
    quick: true,
    files: HANGS,
    limits: { machineMs: 3000, operationMs: 2500 },
    act: async ({ world, environment, log }) => {
      await until(() => log.join("").includes("hanging"));
      const name = await appears(world, environment, /\/state\.json$/);
      const build = name.split("/")[1];
      const payload = JSON.stringify({ build, role: "build", ok: true });
      const document = JSON.stringify({
        schema: 1,
        payload,
        proof: createHash("sha256").update(payload).digest("hex"),
      });
      await environment.objects.write(DATA, `images/${build}/marker.json`, document);
    },
    ends: failed("the builder did not end within 0\\.1 min, its time limit"),
  },
  {
    name: "the builder is preempted",
    kind: "machine",
    quick: true,
    files: HANGS,
    settings: { spot: true },
    act: async ({ world, log }) => {
      await until(() => log.join("").includes("hanging"));
      const [place = ""] = (await world.left("-build")).filter((name) => name.includes("/"));
      const [zone, instance] = place.split("/");
      const body = JSON.stringify({ zone, instance });
      await fetch(`${world.cloud.operatorUrl}/local/v1/preempt`, { method: "POST", body });
    },
    ends: failed(
      "the builder mlt-test-img-\\S+-build was (deleted|switched off or deleted) before it had ended \\(a Spot machine: taken back, most likely; again, or spot: false\\)",
    ),
  },
  {
    name: "the builder is deleted by somebody",
    kind: "machine",
    files: HANGS,
    act: async ({ world, log }) => {
      await until(() => log.join("").includes("hanging"));
      const [place = ""] = await world.left("-build");
      const [zone, instance] = place.split("/");
      await world.compute(`zones/${zone}/instances/${instance}`, "DELETE");
    },
    ends: failed("the builder mlt-test-img-\\S+-build was (deleted|switched off or deleted) before it had ended"),
  },
  {
    name: "the builder is slow to stop",
    kind: "machine",
    plan: { slowButtonMs: 6000 },
    limits: { stopMs: 2500, operationMs: 15_000 },
    ends: failed("mlt-test-img-\\S+-build did not stop within 3 s"),
  },
  {
    name: "the machine may not write its marker",
    kind: "machine",
    faults: [
      {
        service: "storage",
        method: "POST",
        query: "marker\\.json",
        error: { code: 403, reason: "forbidden", message: "Access denied." },
      },
    ],
    plan: { env: { ML_TRAINING_RETRY_SECONDS: "1" } },
    limits: { machineMs: 5000, operationMs: 2500 },
    ends: failed("the builder did not end within 0\\.1 min, its time limit"),
  },
  {
    name: "the smoke test fails",
    kind: "test",
    quick: true,
    files: { "image.yaml": GOOD.replace("exit 0", "echo no module named pandas; exit 1") },
    ends: failed("smoke test failed: exit 1 \\(no module named pandas\\)"),
  },
  {
    name: "the smoke test's program is not there",
    kind: "test",
    files: { "image.yaml": GOOD.replace('[sh, -c, "exit 0"]', "[no-such-program]") },
    ends: failed("smoke test failed: command not found: no-such-program"),
  },
  {
    name: "the smoke test hangs",
    kind: "test",
    files: { "image.yaml": `${GOOD.replace("exit 0", "sleep 600")}smokeTestMinutes: 0.02\n` },
    ends: failed("the smoke test did not end within 1 s"),
  },
  {
    name: "the image has the builder's machine-id",
    kind: "test",
    plan: { sameMachineId: true },
    ends: failed("the image has the builder's own machine-id: every machine of it would be the same one"),
  },
  {
    name: "the test machine cannot be made",
    kind: "test",
    faults: [compute("POST", "/instances$", { skip: 1, ...STOCK_OUT })],
    ends: failed("No zone has a machine e2-standard-2 for the image now: .*us-central1-a: .*us-central1-b: .*"),
  },
  {
    name: "the test machine is deleted by somebody",
    kind: "test",
    files: { "image.yaml": GOOD.replace("exit 0", "echo testing; sleep 600") },
    act: async ({ world, log }) => {
      await until(() => log.join("").includes("testing\n"));
      const [place = ""] = await world.left("-test");
      const [zone, instance] = place.split("/");
      await world.compute(`zones/${zone}/instances/${instance}`, "DELETE");
    },
    ends: failed("the test machine mlt-test-img-\\S+-test was (deleted|switched off or deleted) before it had ended"),
  },
  {
    name: "no machine in the first zone",
    kind: "cloud",
    faults: [compute("POST", "/zones/us-central1-a/instances$", { times: 1, ...STOCK_OUT })],
    ends: "promoted",
  },
  {
    name: "the quota is used up",
    kind: "cloud",
    faults: [
      compute("POST", "/instances$", {
        operationError: {
          code: "QUOTA_EXCEEDED",
          message: "Quota 'CPUS' exceeded.  Limit: 8.0 in region us-central1.",
        },
      }),
    ],
    ends: failed(
      "Making the machine mlt-test-img-\\S+-build: Quota 'CPUS' exceeded\\. {2}Limit: 8\\.0 in region us-central1\\.",
    ),
  },
  {
    name: "the stop never ends",
    kind: "cloud",
    faults: [compute("POST", "/stop$", { operationHangs: true })],
    limits: { stopMs: 1500 },
    ends: failed("mlt-test-img-\\S+-build did not stop within 2 s"),
  },
  {
    name: "the image cannot be made",
    kind: "cloud",
    quick: true,
    faults: [compute("POST", "/global/images$", INTERNAL)],
    ends: failed("Making the image mlt-test-img-\\S+: Internal error\\."),
  },
  {
    name: "making the image never ends",
    kind: "cloud",
    faults: [compute("POST", "/global/images$", { operationHangs: true })],
    limits: { imageMs: 1500 },
    ends: failed("Making the image mlt-test-img-\\S+: Google had not done it after 2 s"),
  },
  {
    name: "the answer to the image's making is lost",
    kind: "cloud",
    faults: [compute("POST", "/global/images$", { times: 1, drop: "answer" })],
    ends: "promoted",
  },
  {
    name: "the answer to the builder's making is lost",
    kind: "cloud",
    faults: [compute("POST", "/instances$", { times: 1, drop: "answer" })],
    ends: "promoted",
  },
  {
    name: "Google is busy for a while",
    kind: "cloud",
    faults: [compute("POST", ".*", { times: 3, ...DOWN }), compute("GET", "/operations/", { times: 3, ...DOWN })],
    ends: "promoted",
  },
  {
    name: "machines cannot be deleted for a while",
    kind: "cloud",
    faults: [compute("DELETE", "/instances/", { times: 2, ...DOWN })],
    ends: "promoted",
  },
  {
    name: "machines cannot be deleted at all, then mlt image clean",
    kind: "cloud",
    files: { "image.yaml": GOOD.replace("exit 0", "exit 1") },
    faults: [compute("DELETE", "/instances/", DOWN)],
    limits: { transientMs: 800 },
    cleanAfter: true,
    ends: /^The build fam-\S+ ended \(failed: Deleting the machine mlt-test-img-\S+-build: Backend error\.\), but not everything of it could be taken away: .* Again: mlt image clean$/,
  },
  {
    name: "Ctrl-C while the recipe is carried out",
    kind: "cloud",
    files: HANGS,
    act: async ({ log, stop }) => {
      await until(() => log.join("").includes("hanging"));
      stop();
    },
    ends: failed("stopped before its end \\(Ctrl-C\\)"),
  },
  {
    name: "the promotion is refused",
    kind: "promotion",
    quick: true,
    faults: [compute("PATCH", "/global/images/", INTERNAL)],
    keeps: true,
    ends: /^The image mlt-test-img-\S+ is good but was not promoted: Changing the image mlt-test-img-\S+: Internal error\.\nThe family fam is as it was\. Again: mlt image promote mlt-test-img-\S+$/,
  },
  {
    name: "the promotion's answer is lost half-way",
    kind: "promotion",
    faults: [compute("PATCH", "/global/images/", { times: 1, drop: "answer" })],
    ends: "promoted",
  },
  {
    name: "the promotion's operation never ends, though it was done",
    kind: "promotion",
    faults: [compute("PATCH", "/global/images/", { operationHangs: true })],
    limits: { operationMs: 1500 },
    ends: "promoted",
  },
  {
    name: "the passed test cannot be written on the image",
    kind: "promotion",
    faults: [compute("POST", "/setLabels$", INTERNAL)],
    ends: failed("Labelling the image mlt-test-img-\\S+: Internal error\\."),
  },
];

/** Makes a wheel for pip to find, whose hash is not the one in the lock. */
function wheel(): string {
  return `python3 - <<'END'
import os, zipfile
folder = "/tmp/mlt-image-fault-wheels"
os.makedirs(folder, exist_ok=True)
part = f"{folder}/part-{os.getpid()}"
with zipfile.ZipFile(part, "w") as wheel:
    wheel.writestr("mlt_probe.py", "")
    wheel.writestr("mlt_probe-1.0.dist-info/METADATA", "Metadata-Version: 2.1\\nName: mlt-probe\\nVersion: 1.0\\n")
    wheel.writestr("mlt_probe-1.0.dist-info/WHEEL", "Wheel-Version: 1.0\\nGenerator: x\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n")
    wheel.writestr("mlt_probe-1.0.dist-info/RECORD", "")
os.replace(part, f"{folder}/mlt_probe-1.0-py3-none-any.whl")
END`;
}

/** The name of the first object of this family's builds that fits, once there is one. */
async function appears(_world: ImageWorld, environment: OpenBuildEnvironment, pattern: RegExp): Promise<string> {
  for (let name: string | undefined; ; await pause()) {
    const { objects } = await environment.objects.list(DATA, { prefix: "images/" });
    name = objects.map((object) => object.name).find((each) => pattern.test(each));
    if (name) return name;
  }
}

async function until(ready: () => boolean): Promise<void> {
  for (const end = Date.now() + 30_000; !ready(); await pause())
    if (Date.now() > end) throw new Error("waited in vain");
}

function pause(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, 50));
}
