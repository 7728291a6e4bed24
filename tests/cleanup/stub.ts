// A stand-in for Google where the local cloud cannot be brought to it: places that are out, thousands of resources,
// buckets with hierarchical namespace.
import { createServer, type IncomingMessage } from "node:http";
import type { AddressInfo } from "node:net";
import type { TestContext } from "node:test";

export interface Answer {
  status?: number;
  json: unknown;
}

/** Answers by `METHOD /path`; what it has no answer for is an empty list. Leads this process's clients to itself. */
export async function startStub(
  t: TestContext,
  answer: (route: string, query: URLSearchParams) => Answer | undefined,
): Promise<{ asked: string[] }> {
  const asked: string[] = [];
  const server = createServer(async (request: IncomingMessage, response) => {
    for await (const _ of request);
    const url = new URL(request.url ?? "/", "http://stub");
    asked.push(`${request.method} ${url.pathname}${url.search}`);
    const { status = 200, json } = answer(`${request.method} ${url.pathname}`, url.searchParams) ?? { json: {} };
    response.writeHead(status, { "content-type": "application/json" }).end(JSON.stringify(json));
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  const before = { ...process.env };
  for (const [name, path] of Object.entries(PATHS)) {
    process.env[`CLOUDSDK_API_ENDPOINT_OVERRIDES_${name}`] = `http://127.0.0.1:${port}/${path}`;
  }
  process.env.GOOGLE_OAUTH_ACCESS_TOKEN = "stub";
  t.after(() => {
    for (const name of Object.keys(PATHS)) {
      process.env[`CLOUDSDK_API_ENDPOINT_OVERRIDES_${name}`] = before[`CLOUDSDK_API_ENDPOINT_OVERRIDES_${name}`] ?? "";
    }
    process.env.GOOGLE_OAUTH_ACCESS_TOKEN = before.GOOGLE_OAUTH_ACCESS_TOKEN ?? "";
    server.closeAllConnections();
    server.close();
  });
  return { asked };
}

const PATHS = { COMPUTE: "compute/v1/", STORAGE: "storage/v1/", IAM: "iam/", CLOUDRESOURCEMANAGER: "crm/" };

export function refusal(status: number, reason: string, message: string): Answer {
  return { status, json: { error: { code: status, message, errors: [{ reason, message }] } } };
}
