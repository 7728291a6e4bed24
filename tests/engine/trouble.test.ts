import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { after, afterEach, before, test } from "node:test";
import { createWorld, failure, type World } from "./world.ts";

// What goes wrong around `pulumi up`, and what is right again after it is run once more.

let world: World;
before(async () => {
  world = await createWorld();
});
afterEach(() => world.cloud.cloud.faults.clear());
after(() => world.close());

const NETWORKS = { service: "compute", method: "POST", path: "/global/networks$" };

/** Waits until a call that fits has been held up by the fault. */
async function struck(id: string, where = world): Promise<void> {
  const { faults } = where.cloud.cloud;
  for (let tries = 0; tries < 400; tries++) {
    if ((faults.list().find((fault) => fault.id === id)?.times ?? 0) <= 0) return;
    await new Promise((resolve) => setTimeout(resolve, 25));
  }
  throw new Error(`Nothing called what the fault ${id} waits for`);
}

test("up that is interrupted finishes the calls under way; run again it goes on from there", async () => {
  const stack = await world.open("cut");
  world.cloud.cloud.faults.plan({ id: "slow", ...NETWORKS, times: 1, delayMs: 1500 });
  const interrupt = new AbortController();
  const cut = stack.up({ signal: interrupt.signal });
  const outcome = failure(cut);
  await struck("slow");
  interrupt.abort();
  await outcome;
  const half = await world.left();
  assert.equal(half["compute.networks"]?.length, 1, "the network that was being made is there");
  assert.equal(half["compute.instanceTemplates"], undefined);

  const again = await stack.up();
  assert.ok((again.changes.same ?? 0) > 0, "what the first up made is kept");
  assert.equal((await world.left())["compute.networks"]?.length, 1, "and not made twice");
  await stack.preview({ expectNoChanges: true });
  await stack.destroy();
  assert.deepEqual(await world.left(), {});
});

test("a Pulumi that was killed leaves its lock: cancel frees it, and up goes on", async (context) => {
  if (process.platform !== "linux") return context.skip("looks for the process to kill in /proc");
  const own = await createWorld();
  try {
    const stack = await own.open("killed");
    own.cloud.cloud.faults.plan({ id: "slow", ...NETWORKS, times: 1, delayMs: 1500 });
    const killed = failure(stack.up());
    await struck("slow", own);
    for (const pid of pulumiChildren()) process.kill(pid, "SIGKILL");
    await killed;
    assert.match((await failure(stack.up())).message, /locked/);
    await stack.cancel();
    await stack.up();
    await stack.preview({ expectNoChanges: true });
    await stack.destroy();
    assert.equal(await stack.resources(), 0);
    // Nobody told Pulumi that what it had just asked for came to be. Names with a random part let up go on beside it.
    for (const [kind, names] of Object.entries(await own.left())) {
      assert.ok(["compute.networks", "storage.buckets"].includes(kind), `${kind}: ${names}`);
      for (const name of names) assert.match(name, /-[0-9a-f]{7}$/);
    }
  } finally {
    await own.close();
  }
});

test("APIs that answer SERVICE_DISABLED for a while after they were enabled are waited for", async () => {
  const young = await createWorld({ project: "young-project", settings: { serviceEnableDelayMs: 2500 } });
  try {
    const stack = await young.open("young");
    const up = await stack.up();
    assert.deepEqual(Object.keys(up.changes), ["create"]);
    await stack.preview({ expectNoChanges: true });
    await stack.destroy();
    assert.deepEqual(await young.left(), {});
  } finally {
    await young.close();
  }
});

test("bursts of 503 and 429 are tried again; 403 is not, and its sentence is the message", async () => {
  const { faults } = world.cloud.cloud;
  const stack = await world.open("burst");
  const busy = { code: 503, reason: "backendError", message: "Backend Error" };
  const quota = { code: 429, reason: "rateLimitExceeded", message: "Rate Limit Exceeded" };
  faults.plan({ id: "busy", service: "storage", method: "POST", times: 2, error: busy });
  faults.plan({ id: "quota", ...NETWORKS, times: 1, error: quota });
  await stack.up();
  await stack.destroy();

  const message = "Required 'compute.networks.create' permission";
  faults.plan({ id: "no", ...NETWORKS, error: { code: 403, reason: "forbidden", message } });
  const error = await failure(stack.up());
  assert.match(error.message, /googleapi: Error 403: Required 'compute.networks.create' permission, forbidden/);
  assert.doesNotMatch(error.message, /\n\s+at /, "no stack");
  faults.clear();
  await stack.destroy();
  assert.deepEqual(await world.left(), {});
});

test("an operation that fails ends with Google's code and sentence", async () => {
  const { faults } = world.cloud.cloud;
  const stack = await world.open("quota");
  const operationError = { code: "QUOTA_EXCEEDED", message: "Quota 'NETWORKS' exceeded. Limit: 5.0 globally." };
  faults.plan({ id: "operation", ...NETWORKS, operationError });
  assert.match((await failure(stack.up())).message, /Network to be created: QUOTA_EXCEEDED: Quota 'NETWORKS' exceeded/);
  faults.clear();
  await stack.destroy();
  assert.deepEqual(await world.left(), {});
});

/** The Pulumi processes that this one started. */
function pulumiChildren(): number[] {
  return readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name))
    .filter((name) => {
      try {
        const stat = readFileSync(`/proc/${name}/stat`, "latin1");
        const [, parent] = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
        return stat.includes("(pulumi)") && Number(parent) === process.pid;
      } catch {
        return false;
      }
    })
    .map(Number);
}
