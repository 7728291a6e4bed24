import assert from "node:assert/strict";
import { test } from "node:test";
import type * as pulumi from "@pulumi/pulumi";
import {
  isServiceDisabled,
  PATIENCE_SECONDS,
  pause,
  retryDisabled,
  whenReady,
  withHook,
} from "../../components/apiReadiness.ts";

const DISABLED =
  "googleapi: Error 403: Compute Engine API has not been used in project 123456789012 before or it is disabled. Enable it by " +
  "visiting https://console.developers.google.com/… then retry. If you enabled this API recently, wait a few minutes";

test("Google's three ways to say it are understood, a refused right is not", () => {
  for (const text of [DISABLED, 'reason: "SERVICE_DISABLED"', "Error 403: …, accessNotConfigured"])
    assert.ok(isServiceDisabled(text), text);
  for (const text of ["Error 403: Permission denied on resource project x", "Error 409: already exists", ""]) {
    assert.ok(!isServiceDisabled(text), text);
  }
});

test("a resource is tried again until patience ends, then the error is the user's", async () => {
  const waits: number[] = [];
  const wait = async (seconds: number): Promise<void> => void waits.push(seconds);
  const errors: string[] = [];
  for (;;) {
    errors.unshift(DISABLED);
    if (!(await retryDisabled({ name: "net", errors }, wait))) break;
  }
  const total = waits.reduce((sum, seconds) => sum + seconds, 0);
  assert.deepEqual(waits.slice(0, 6), [1, 2, 4, 8, 10, 10]);
  assert.ok(total >= PATIENCE_SECONDS && total < PATIENCE_SECONDS + 10, String(total));
  assert.ok(errors.length < 100, "the engine itself gives up after 100");
});

test("another error is not tried again", async () => {
  const wait = async (): Promise<void> => assert.fail("waited");
  assert.equal(await retryDisabled({ name: "net", errors: ["Error 403: no", DISABLED] }, wait), false);
  assert.equal(await retryDisabled({ name: "net", errors: [] }, wait), false);
});

test("a look-up is repeated in the same way", async () => {
  let calls = 0;
  const look = async (): Promise<string> => {
    calls += 1;
    if (calls < 4) throw new Error(DISABLED);
    return "found";
  };
  assert.equal(await whenReady(look, async () => {}), "found");
  assert.equal(calls, 4);
  await assert.rejects(
    whenReady(
      async () => {
        throw new Error("Error 404: no");
      },
      async () => assert.fail("waited"),
    ),
    /404/,
  );
  await assert.rejects(
    whenReady(
      async () => {
        throw new Error(DISABLED);
      },
      async () => {},
    ),
    /has not been used/,
  );
});

test("the pauses are short at first", () => {
  assert.deepEqual([1, 2, 3, 4, 5, 20].map(pause), [1, 2, 4, 8, 10, 10]);
  assert.equal(pause(99), undefined);
});

test("every resource of the gcp provider gets the hook, and keeps its own", () => {
  const hook = { name: "mine" } as pulumi.ErrorHook;
  const other = { name: "other" } as pulumi.ErrorHook;
  const props = { a: 1 };
  const args = (type: string, custom: boolean, opts: pulumi.CustomResourceOptions = {}) => ({
    type,
    custom,
    props,
    opts,
  });
  assert.deepEqual(withHook(args("gcp:storage/bucket:Bucket", true, { protect: true }), hook), {
    props,
    opts: { protect: true, hooks: { onError: [hook] } },
  });
  assert.deepEqual(
    withHook(args("gcp:storage/bucket:Bucket", true, { hooks: { onError: [other] } }), hook)?.opts.hooks,
    { onError: [other, hook] },
  );
  assert.equal(withHook(args("mltraining:index:Network", false), hook), undefined);
  assert.equal(withHook(args("pulumi:pulumi:StackReference", true), hook), undefined);
});
