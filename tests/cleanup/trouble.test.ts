import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { inventory } from "../../cleanup/inventory.ts";
import { verdict } from "../../cleanup/verdict.ts";
import { type Bench, openBench, PROJECT, REGION, ZONE } from "./bench.ts";
import { refusal, startStub } from "./stub.ts";

describe("a project that can be seen in part", () => {
  let bench: Bench;
  const closing: (() => unknown)[] = [];
  before(async () => {
    bench = await openBench({ after: (close) => closing.push(close as () => unknown) });
    await bench.network("ml-a");
    await bench.bucket("ml-a", "ml-a-data-0123abc");
  });
  after(async () => {
    for (const close of closing) await close();
  });
  const token = async (role: string | undefined): Promise<string> => {
    const id = `viewer-${(role ?? "none").replace(/\W/g, "").slice(-12).toLowerCase()}`;
    await bench.call("POST", `iam/v1/projects/${PROJECT}/serviceAccounts`, { accountId: id });
    const email = `${id}@${PROJECT}.iam.gserviceaccount.com`;
    if (role) await bench.bind(role, `serviceAccount:${email}`);
    const found = await bench.call("GET", `iam/v1/projects/${PROJECT}/serviceAccounts/${email}`);
    const principal = { kind: "serviceAccount" as const, email, uniqueId: String(found.uniqueId) };
    return bench.cloud.cloud.tokens.issue(principal).access_token;
  };

  test("each list that is not allowed is told with its permission, the others are read, and the end says incomplete", async () => {
    const GOOGLE_OAUTH_ACCESS_TOKEN = await token("roles/compute.viewer");
    const { code, stdout, stderr } = await bench.mlt(["clean", "ml-a", "--project", PROJECT], {
      GOOGLE_OAUTH_ACCESS_TOKEN,
    });
    assert.equal(code, 2, stderr);
    assert.match(stdout, /^ml-a +network +ml-a-0123abc +global +0$/m);
    const missing = [...stdout.matchAll(/^ {2}(.+?): not allowed .* Needed: (\S+) in test-project\.$/gm)];
    assert.deepEqual(
      missing.map(([, what, permission]) => `${what}: ${permission}`),
      [
        "buckets: storage.buckets.list",
        "clusters: container.clusters.list",
        "custom roles: iam.roles.list",
        "service accounts: iam.serviceAccounts.list",
        "soft-deleted buckets: storage.buckets.list",
        "the project's policy: resourcemanager.projects.getIamPolicy",
      ],
    );
    const check = await bench.mlt(["clean", "ml-b", "--check", "--project", PROJECT], { GOOGLE_OAUTH_ACCESS_TOKEN });
    assert.equal(check.code, 2);
    assert.match(check.stdout, /^Nothing of ml-b was seen\.$/m);
  });

  test("the reaper's rights are enough to remove a stopped machine, whatever else it may not see", async () => {
    const name = "ml-a-run-20261121080000-0001-a01";
    await bench.machine("ml-a", `ml-a-${REGION}-0123abc`, name);
    const GOOGLE_OAUTH_ACCESS_TOKEN = await token("roles/compute.admin");
    await bench.compute("POST", `zones/${ZONE}/instances/${name}/stop`);
    const { code, stdout } = await bench.mlt(["clean", "--delete", "--yes", "--project", PROJECT], {
      GOOGLE_OAUTH_ACCESS_TOKEN,
    });
    assert.equal(code, 2, stdout);
    assert.match(stdout, /^1 removed\.$/m);
    assert.deepEqual(
      (await inventory(PROJECT)).items.filter(({ kind }) => kind === "machine"),
      [],
    );
  });

  test("an account that may see nothing is told so, and a project that is none", async () => {
    const GOOGLE_OAUTH_ACCESS_TOKEN = await token(undefined);
    const blind = await bench.mlt(["clean", "--project", PROJECT], { GOOGLE_OAUTH_ACCESS_TOKEN });
    assert.equal(blind.code, 64);
    assert.match(
      blind.stderr,
      /\nNothing can be seen of the project test-project: .*\nCheck its id \(gcloud projects list\)/s,
    );
    const none = await bench.mlt(["clean", "--project", "no-such-project"]);
    assert.equal(none.code, 64);
    assert.match(
      none.stderr,
      /^Nothing can be seen of the project no-such-project: The resource 'projects\/no-such-project' was not found$/m,
    );
    const odd = await bench.mlt(["clean", "--project", "../x"]);
    assert.equal(odd.code, 64);
    assert.match(odd.stderr, /A project is named by its id, such as my-project-1; got "\.\.\/x"\./);
  });

  test("an API that is off hides what it holds: nobody says that nothing is left", async () => {
    await bench.call("POST", `su/v1/projects/${PROJECT}/services/iam.googleapis.com:disable`, {});
    try {
      const { gaps } = await inventory(PROJECT, { environment: "ml-a" });
      assert.deepEqual(gaps, [
        { what: "custom roles", why: "iam.googleapis.com is not enabled", api: "iam.googleapis.com" },
        { what: "service accounts", why: "iam.googleapis.com is not enabled", api: "iam.googleapis.com" },
      ]);
      const { code, stdout } = await bench.mlt(["clean", "ml-b", "--check", "--project", PROJECT]);
      assert.equal(code, 2);
      assert.match(
        stdout,
        /custom roles: iam\.googleapis\.com is not enabled\. See what is there: gcloud services enable iam\.googleapis\.com --project test-project/,
      );
    } finally {
      await bench.call("POST", `su/v1/projects/${PROJECT}/services/iam.googleapis.com:enable`, {});
    }
  });

  test("a busy Google is asked again, a broken answer is a gap", async () => {
    const { faults } = bench.cloud.cloud;
    const error = { code: 503, reason: "backendError", message: "try later" };
    faults.plan({ id: "busy", service: "compute", path: "aggregated/disks", times: 2, error });
    const internal = { code: 418, reason: "odd", message: "no tea" };
    faults.plan({ id: "odd", service: "compute", path: "global/images", times: 1, error: internal });
    try {
      const { gaps } = await inventory(PROJECT);
      assert.deepEqual(gaps, [{ what: "images", why: "418: no tea" }]);
    } finally {
      faults.clear();
    }
  });

  test("who cannot be reached is told at once, without a stack", async () => {
    const { code, stderr, stdout } = await bench.mlt(["clean", "--project", PROJECT], {
      CLOUDSDK_API_ENDPOINT_OVERRIDES_COMPUTE: "http://127.0.0.1:2/",
    });
    assert.equal(code, 64);
    assert.equal(stdout, "");
    assert.match(stderr, /^Asking 127\.0\.0\.1:2 is not possible: 127\.0\.0\.1:2 cannot be reached/m);
    assert.doesNotMatch(stderr, /\n {4}at /);
  });
});

test("thousands of disks come page by page, and a zone that is out makes the list incomplete", async (t) => {
  const disk = (index: number) => ({
    name: `ml-a-run-20261121080000-${String(index % 10000).padStart(4, "0")}-a01`,
    selfLink: `https://www.googleapis.com/compute/v1/projects/${PROJECT}/zones/us-central1-a/disks/d${index}`,
    labels: { "mlt-environment": index % 2 === 0 ? "ml-a" : "ml-a-b" },
    type: "zones/us-central1-a/diskTypes/pd-balanced",
    sizeGb: "10",
  });
  const { asked } = await startStub(t, (route, query) => {
    if (!route.endsWith("/aggregated/disks")) return undefined;
    const from = Number(query.get("pageToken") ?? 0);
    const items: Record<string, unknown> = {
      "zones/us-central1-a": { disks: Array.from({ length: 500 }, (_, index) => disk(from + index)) },
      "zones/us-central1-b": { warning: { code: "NO_RESULTS_ON_PAGE" } },
    };
    if (from === 1500) items["zones/us-east1-b"] = { warning: { code: "UNREACHABLE", message: "out" } };
    return { json: { items, ...(from < 4500 ? { nextPageToken: String(from + 500) } : {}) } };
  });
  const found = await inventory(PROJECT, { environment: "ml-a" });
  assert.equal(found.items.length, 2500);
  assert.equal(asked.filter((route) => route.includes("/aggregated/disks")).length, 10);
  assert.ok(asked.every((route) => !route.includes("aggregated") || route.includes("returnPartialSuccess=true")));
  assert.deepEqual(found.gaps, [{ what: "disks", why: "Google could not look into us-east1-b just now" }]);
  assert.equal(verdict(found).code, 1);
  assert.equal(verdict({ ...found, items: [] }).code, 2);
  assert.equal(verdict({ ...found, items: [], gaps: [] }).code, 0);
});

test("a project of which every list is refused is told with Google's sentence", async (t) => {
  await startStub(t, () => refusal(403, "forbidden", "Permission denied on 'ml-a'."));
  await assert.rejects(inventory(PROJECT), {
    name: "UserError",
    message: /^Nothing can be seen of the project test-project: Permission denied on 'ml-a'\.\nCheck its id/,
  });
});
