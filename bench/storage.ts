import { Worker } from "node:worker_threads";
import type { BenchCloud } from "./cloud.ts";
import { median, type Row } from "./measure.ts";

// How fast the local cloud's storage takes an object, which bounds what a checkpoint can reach in a rehearsal. The
// client is a thread of its own; the bytes go through Google's simple upload.

const MEGABYTES = 128;
const RUNS = 5;

const CLIENT = `
  import { parentPort, workerData } from "node:worker_threads";
  const { url, token, bytes, runs } = workerData;
  const body = Buffer.alloc(bytes, 7);
  const seconds = [];
  for (let run = 0; run <= runs; run++) {
    const started = performance.now();
    const headers = { authorization: "Bearer " + token, "content-type": "application/octet-stream" };
    const response = await fetch(url, { method: "POST", headers, body });
    if (!response.ok) throw new Error(await response.text());
    await response.arrayBuffer();
    if (run > 0) seconds.push((performance.now() - started) / 1000);
  }
  parentPort.postMessage(seconds);
`;

export async function storageRows({ cloud, bucket, environment }: BenchCloud): Promise<Row[]> {
  const name = bucket.replace("gs://", "");
  const url = `${cloud.url}/upload/storage/v1/b/${name}/o?uploadType=media&name=bench/large`;
  const workerData = { url, token: environment.GOOGLE_OAUTH_ACCESS_TOKEN, bytes: MEGABYTES * 2 ** 20, runs: RUNS };
  const source = new URL(`data:text/javascript,${encodeURIComponent(CLIENT)}`);
  const seconds = await new Promise<number[]>((resolve, reject) => {
    new Worker(source, { workerData }).on("message", resolve).on("error", reject);
  });
  const rate = MEGABYTES / median(seconds);
  return [
    {
      measure: "upload to the local cloud",
      value: `${rate.toFixed(0)} MB/s`,
      target: "-",
      note: `one object of ${MEGABYTES} MB, median of ${RUNS}`,
    },
  ];
}
