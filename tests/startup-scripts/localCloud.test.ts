import assert from "node:assert/strict";
import { join } from "node:path";
import { test } from "node:test";
import { startLocalCloud } from "../../localcloud/server.ts";
import type { RunStatus } from "../../training/contract.ts";
import { temporaryFolder } from "../helpers/shell.ts";
import { bench, DATA, RUN, SCRATCH, STATUS } from "./machine.ts";

test("the supervisor's storage calls are right for a service that checks them: the local cloud", async (t) => {
  const local = await startLocalCloud({ stateFolder: join(temporaryFolder(t), "state"), enabledServices: "all" });
  t.after(() => local.close());
  const b = await bench(t);
  const { access_token } = local.cloud.tokens.issue({ kind: "operator" });
  const token = JSON.stringify({ access_token, expires_in: 3600, token_type: "Bearer" });
  b.cloud.metadata.set("instance/service-accounts/default/token", token);
  const call = async (path: string, init: RequestInit = {}) => {
    const answer = await fetch(`${local.url}${path}`, {
      ...init,
      headers: { authorization: `Bearer ${access_token}` },
    });
    assert.ok(answer.ok, `${path}: ${answer.status} ${await answer.clone().text()}`);
    return answer;
  };
  const media = async (bucket: string, name: string) =>
    Buffer.from(await (await call(`/storage/v1/b/${bucket}/o/${encodeURIComponent(name)}?alt=media`)).arrayBuffer());
  for (const name of [DATA, SCRATCH]) {
    const body = JSON.stringify({ name, location: "us-central1" });
    await call(`/storage/v1/b?project=${local.project}`, { method: "POST", body });
  }

  b.pack({
    "train.py": `
import os, shutil
print(open(os.environ["DATA_DIR"] + "/set/a b+c.csv").read())
big = os.environ["OUTPUT_DIR"] + "/big ü.bin"
with open(big, "wb") as file:
    for number in range(40):
        file.write(bytes([number]) * (1 << 20))
shutil.copyfile(os.environ["DATA_DIR"] + "/set/large.bin", os.environ["OUTPUT_DIR"] + "/large.bin")
`,
  });
  b.spec.inputs = ["set"];
  b.cloud.put(DATA, "input/set/a b+c.csv", "one,two");
  b.cloud.put(DATA, "input/set/large.bin", Buffer.alloc(20 << 20, "mlt"));
  b.submit();
  for (const [key, { data }] of b.cloud.objects) {
    const name = encodeURIComponent(key.slice(DATA.length + 1));
    await call(`/upload/storage/v1/b/${DATA}/o?uploadType=media&name=${name}`, {
      method: "POST",
      body: new Uint8Array(data),
    });
  }
  const { output } = await b.boot({ CLOUDSDK_API_ENDPOINT_OVERRIDES_STORAGE: `${local.url}/storage/v1/` });

  const status = JSON.parse((await media(DATA, STATUS)).toString()) as RunStatus;
  assert.equal(status.phase, "succeeded", `${status.reason}\n${output}`);
  const big = await media(DATA, `runs/${RUN}/output/big ü.bin`);
  assert.equal(big.length, 40 << 20);
  assert.ok(big.subarray(39 << 20).every((byte) => byte === 39));
  assert.ok((await media(DATA, `runs/${RUN}/output/large.bin`)).equals(Buffer.alloc(20 << 20, "mlt")));
  assert.match((await media(DATA, `runs/${RUN}/log.txt`)).toString(), /one,two/);
  assert.match((await media(SCRATCH, `runs/${RUN}/attempt-1/log/000001.txt`)).toString(), /fetching the package/);
});
