import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { openStack } from "../engine/automation.ts";
import { providerEnvironment } from "../engine/endpoints.ts";
import program from "../index.ts";
import { type LocalCloud, startLocalCloud } from "../localcloud/server.ts";

/** A local cloud with an environment in it, for what is measured against one. */
export interface BenchCloud {
  cloud: LocalCloud;
  folder: string;
  /** `gs://…` of the environment. */
  bucket: string;
  /** Variables with which `mlt` uses this cloud. */
  environment: Record<string, string>;
  close(): Promise<void>;
}

export async function startBenchCloud(progress: (line: string) => void): Promise<BenchCloud> {
  const folder = mkdtempSync(join(tmpdir(), "mlt-bench-"));
  const cloud = await startLocalCloud({ stateFolder: join(folder, "cloud") });
  const stack = await openStack({
    stack: "bench",
    config: { "gcp:project": cloud.project },
    program,
    folder: join(folder, "stacks"),
    environment: providerEnvironment({ url: cloud.operatorUrl }),
    progress,
  });
  const { outputs, seconds } = await stack.up();
  progress(`an environment in the local cloud: ${seconds.toFixed(1)} s`);
  await stack.close();
  const { access_token } = cloud.cloud.tokens.issue({ kind: "operator" });
  return {
    cloud,
    folder,
    bucket: String(outputs.dataBucketUrl),
    environment: {
      CLOUDSDK_API_ENDPOINT_OVERRIDES_STORAGE: `${cloud.url}/storage/v1/`,
      CLOUDSDK_API_ENDPOINT_OVERRIDES_COMPUTE: `${cloud.url}/compute/v1/`,
      GOOGLE_OAUTH_ACCESS_TOKEN: access_token,
    },
    async close() {
      await cloud.close();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}
