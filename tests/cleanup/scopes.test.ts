import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { inventory } from "../../cleanup/inventory.ts";
import { verdict } from "../../cleanup/verdict.ts";
import { createWorld, type World } from "../engine/world.ts";
import { names } from "./bench.ts";

// Who made what in a course: a student's stack answers for the student's own, the foundation for what it made for all.

let world: World;
const foundation = () =>
  world.open("base", {
    config: {
      "mltraining:scope": "foundation",
      "mltraining:environment": "course",
      "mltraining:students": ["mlt-ann"],
    },
  });
const student = () => world.open("ann", { config: { "mltraining:scope": "student", "mltraining:foundation": "base" } });

before(async () => {
  world = await createWorld({ enabledServices: "all" });
  const { url, metadataUrl } = world.cloud;
  Object.assign(process.env, {
    CLOUDSDK_API_ENDPOINT_OVERRIDES_STORAGE: `${url}/storage/v1/`,
    CLOUDSDK_API_ENDPOINT_OVERRIDES_COMPUTE: `${url}/compute/v1/`,
    CLOUDSDK_API_ENDPOINT_OVERRIDES_IAM: `${url}/iam/`,
    CLOUDSDK_API_ENDPOINT_OVERRIDES_CLOUDRESOURCEMANAGER: `${url}/crm/`,
    GCE_METADATA_HOST: metadataUrl.replace(/^http:\/\//, ""),
    GOOGLE_OAUTH_ACCESS_TOKEN: "",
  });
  await (await foundation()).up();
  await (await student()).up();
});
after(() => world.close());

const found = async (environment: string) => {
  const all = await inventory(world.cloud.project, { environment });
  // Without the random parts of names.
  return names(all.items).map((name) => name.replace(/[-_][0-9a-f]{7}\b/, "").replace(/@.*/, ""));
};

test("each environment has what its own stack made", async () => {
  assert.deepEqual(await found("mlt-ann"), [
    "bucket mlt-ann-data",
    "bucket mlt-ann-scratch",
    "template mlt-ann-run-us-central1",
  ]);
  const course = await found("course");
  for (const item of [
    "binding course_selfDelete of mlt-ann-machines",
    "firewall course-ssh-mlt-ann",
    "network course",
    "role course_selfDelete",
    "router course-us-central1",
    "serviceAccount mlt-ann-machines",
    "subnetwork course-us-central1",
  ]) {
    assert.ok(course.includes(item), `${item} in ${course.join(", ")}`);
  }
  // Together they are all that the cloud holds.
  const all = Object.values(await world.left()).flat().length;
  assert.equal(course.filter((item) => !item.startsWith("binding")).length + 3, all);
});

test("a student that is gone has left nothing, while the foundation stands; then that has left nothing either", async () => {
  const code = async (environment?: string) => {
    const all = await inventory(world.cloud.project, environment === undefined ? {} : { environment });
    assert.deepEqual([all.gaps, all.lookalikes], [[], []]);
    return verdict(all).code;
  };
  await (await student()).destroy();
  assert.deepEqual([await code("mlt-ann"), await code("course"), await code()], [0, 1, 1]);
  await (await foundation()).destroy();
  assert.deepEqual([await code("mlt-ann"), await code("course"), await code()], [0, 0, 0]);
});
