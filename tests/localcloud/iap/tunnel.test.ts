import assert from "node:assert/strict";
import { createHash, randomBytes } from "node:crypto";
import { request } from "node:http";
import { connect, createServer, type Server } from "node:net";
import { type TestContext, test } from "node:test";
import type { Principal } from "../../../localcloud/core/access.ts";
import { LocalCloud } from "../../../localcloud/gcloud/cloud.ts";
import { Tunnel } from "../../../localcloud/gcloud/relay.ts";
import { type ComputeFixture, fakeDriver, machine, startCompute, ZONE } from "../compute/fixture.ts";

const ANN: Principal = { kind: "user", email: "ann@example.com" };
const PLACE = { project: "test-project", zone: ZONE, instance: "m" };

interface World {
  cloud: ComputeFixture;
  lines: string[];
  /** Opens a tunnel as someone. */
  open: (who: Principal, port?: number, instance?: string) => Promise<Tunnel>;
}

/** A machine whose port 22 and 23 lead to `server`; the firewall lets tunnels in to 22 and 24. */
async function world(t: TestContext, server: Server): Promise<World> {
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  t.after(() => server.close());
  const { port: real } = server.address() as { port: number };
  const { driver, state } = fakeDriver();
  state.connect = (port) =>
    new Promise((resolve, reject) => {
      if (port > 23) return reject(new Error("ECONNREFUSED"));
      const socket = connect(real, "127.0.0.1", () => resolve(socket));
      socket.pause();
    });
  const lines: string[] = [];
  const cloud = await startCompute(t, { driver, log: (line) => lines.push(line) });
  await cloud.network();
  const allowed = [{ IPProtocol: "tcp", ports: ["22", "24"] }];
  const rule = { name: "iap", network: "global/networks/net", sourceRanges: ["35.235.240.0/20"], allowed };
  await cloud.done("POST", "global/firewalls", rule);
  await cloud.done("POST", `zones/${ZONE}/instances`, machine("m"));
  const open = (who: Principal, port = 22, instance = "m") => {
    const environment = {
      CLOUDSDK_API_ENDPOINT_OVERRIDES_COMPUTE: `${cloud.local.url}/compute/v1/`,
      CLOUDSDK_AUTH_ACCESS_TOKEN: cloud.local.cloud.tokens.issue(who).access_token,
    };
    return Tunnel.open(new LocalCloud(environment), { ...PLACE, instance }, port);
  };
  return { cloud, lines, open };
}

const silent = () => createServer();

async function policy(cloud: ComputeFixture, bindings: object[]): Promise<void> {
  const path = `/iap/v1/projects/test-project/iap_tunnel/zones/${ZONE}/instances/m`;
  const { etag } = await cloud.ok("POST", `${path}:getIamPolicy`, {});
  await cloud.ok("POST", `${path}:setIamPolicy`, { policy: { etag, bindings } });
}

const ACCESS = { role: "roles/iap.tunnelResourceAccessor", members: ["user:ann@example.com"] };

test("a tunnel is refused as Google refuses it: right, machine, firewall, port", async (t) => {
  const { cloud, lines, open } = await world(t, silent());
  await assert.rejects(open(ANN), { message: "Error while connecting [4033: 'not authorized']." });
  await assert.rejects(open(ANN, 22, "none"), { message: "Error while connecting [4033: 'not authorized']." });
  await policy(cloud, [ACCESS]);
  (await open(ANN)).close();
  await assert.rejects(open(ANN, 22, "none"), /4033/, "the right is on one machine");
  const operator: Principal = { kind: "operator" };
  await assert.rejects(open(operator, 22, "none"), {
    message: "Error while connecting [4047: 'Failed to lookup instance'].",
  });
  const backend = (port: number) => ({
    message: `Error while connecting [4003: 'failed to connect to backend']. (Failed to connect to port ${port})`,
  });
  await assert.rejects(open(ANN, 23), backend(23));
  assert.equal(lines.at(-1), "tunnel to m:23 refused: no firewall rule lets 35.235.240.0/20 in to tcp:23");
  await assert.rejects(open(ANN, 24), backend(24));
  assert.equal(lines.at(-1), "tunnel to m:24 refused: ECONNREFUSED");
  const { id } = (await cloud.instance("m")) as { id: string };
  (await open(operator, 22, id)).close();
  await cloud.done("POST", `zones/${ZONE}/instances/m/stop`);
  await assert.rejects(open(operator), backend(22));
  assert.equal(lines.at(-1), "tunnel to m:22 refused: the machine is not running");

  // Another machine of the same name is another one.
  await cloud.done("DELETE", `zones/${ZONE}/instances/m`);
  await cloud.done("POST", `zones/${ZONE}/instances`, machine("m"));
  await assert.rejects(open(ANN), /4033/);
});

test("a right that the project's policy gives will do, also under a condition on the machine", async (t) => {
  const { cloud, open } = await world(t, silent());
  const { projectNumber } = await cloud.ok("GET", "/crm/v1/projects/test-project");
  const give = (instance: string) =>
    cloud.ok("POST", "/crm/v1/projects/test-project:setIamPolicy", {
      policy: {
        version: 3,
        bindings: [
          {
            ...ACCESS,
            condition: {
              title: "one machine",
              expression: `resource.name == "projects/${projectNumber}/iap_tunnel/zones/${ZONE}/instances/${instance}"`,
            },
          },
        ],
      },
    });
  await give("another");
  await assert.rejects(open(ANN), /4033/);
  await give("m");
  (await open(ANN)).close();
});

test("what goes in comes out, both ways, however much; ends are passed on", async (t) => {
  const sent = randomBytes(3_000_000);
  // Says hello, takes everything, answers with its digest and as much again, and hangs up.
  const server = createServer((socket) => {
    socket.write("hello ");
    const hash = createHash("sha256");
    let size = 0;
    socket.on("data", (data) => {
      hash.update(data);
      size += data.length;
      if (size === sent.length) socket.end(Buffer.concat([hash.digest(), sent]));
    });
  });
  const { open } = await world(t, server);
  const tunnel = await open({ kind: "operator" });
  const got: Buffer[] = [];
  const ended = new Promise<void>((resolve) => tunnel.start({ data: (data) => got.push(data), ended: resolve }));
  for (let at = 0; at < sent.length; at += 100_000) {
    if (!tunnel.write(sent.subarray(at, at + 100_000))) await new Promise<void>((resolve) => tunnel.drained(resolve));
  }
  await ended;
  const all = Buffer.concat(got);
  assert.equal(all.subarray(0, 6).toString(), "hello ");
  assert.deepEqual(all.subarray(6, 38), createHash("sha256").update(sent).digest());
  assert.ok(all.subarray(38).equals(sent));

  let hungUp: () => void = () => {};
  const gone = new Promise<void>((resolve) => {
    hungUp = resolve;
  });
  server.removeAllListeners("connection").on("connection", (socket) => socket.on("close", hungUp).resume());
  (await open({ kind: "operator" })).close();
  await gone;
});

test("only a request with a token and the protocol becomes a tunnel, and never at the open door", async (t) => {
  const { cloud } = await world(t, silent());
  const { access_token } = cloud.local.cloud.tokens.issue({ kind: "operator" });
  const status = (origin: string, path: string, more: Record<string, string> = {}) =>
    new Promise<number | undefined>((resolve, reject) => {
      const headers = {
        connection: "Upgrade",
        upgrade: "websocket",
        "sec-websocket-version": "13",
        "sec-websocket-key": randomBytes(16).toString("base64"),
        "sec-websocket-protocol": "relay.tunnel.cloudproxy.app",
        ...more,
      };
      const call = request(`${origin}${path}`, { headers });
      call.on("response", (response) => resolve(response.resume().statusCode));
      call.on("upgrade", (_, stream) => resolve(stream.destroy() && 101));
      call.on("error", reject);
      call.end();
    });
  const query = `?project=test-project&zone=${ZONE}&instance=m&interface=nic0&port=22`;
  const { url, operatorUrl } = cloud.local;
  const authorization = `Bearer ${access_token}`;
  assert.equal(await status(url, `/tunnel/v4/connect${query}`, { authorization }), 101);
  assert.equal(await status(url, `/tunnel/v4/connect${query}`), 401);
  assert.equal(
    await status(url, `/tunnel/v4/connect${query}&access_token=${access_token}`),
    401,
    "a page can write an address",
  );
  assert.equal(await status(url, `/tunnel/v4/connect${query}`, { authorization: "Bearer forged" }), 401);
  assert.equal(
    await status(url, `/tunnel/v4/connect${query}`, { authorization, "sec-websocket-protocol": "chat" }),
    400,
  );
  assert.equal(await status(url, "/tunnel/v4/reconnect?sid=x", { authorization }), 501);
  assert.equal(await status(url, "/chat", { authorization }), 404);
  assert.notEqual(await status(operatorUrl, `/tunnel/v4/connect${query}`), 101);
  assert.notEqual(await status(operatorUrl, `/tunnel/v4/connect${query}`, { authorization }), 101);
});

test("a tunnel's policy is read, written and asked for as IAM policies are", async (t) => {
  const { cloud } = await world(t, silent());
  const { projectNumber } = await cloud.ok("GET", "/crm/v1/projects/test-project");
  const path = `/iap/v1/projects/${projectNumber}/iap_tunnel/zones/${ZONE}/instances/m`;
  const empty = await cloud.ok("POST", `${path}:getIamPolicy`, { options: { requestedPolicyVersion: 3 } });
  assert.equal(empty.bindings, undefined);
  const written = await cloud.ok("POST", `${path}:setIamPolicy`, { policy: { etag: empty.etag, bindings: [ACCESS] } });
  assert.deepEqual(written.bindings, [ACCESS]);
  const stale = await cloud.call("POST", `${path}:setIamPolicy`, { policy: { etag: empty.etag, bindings: [] } });
  assert.equal(stale.status, 409);
  const storage = { role: "roles/storage.admin", members: ["user:ann@example.com"] };
  const wrong = await cloud.call("POST", `${path}:setIamPolicy`, { policy: { bindings: [storage] } });
  assert.equal(wrong.status, 400);
  const other = path.replace("/m", "/none");
  assert.equal((await cloud.call("POST", `${other}:getIamPolicy`, {})).status, 404);
  const permissions = ["iap.tunnelInstances.accessViaIAP", "iap.tunnelInstances.setIamPolicy"];
  cloud.token = cloud.local.cloud.tokens.issue(ANN).access_token;
  assert.deepEqual(await cloud.ok("POST", `${path}:testIamPermissions`, { permissions }), {
    permissions: ["iap.tunnelInstances.accessViaIAP"],
  });
  const denied = await cloud.call("POST", `${path}:getIamPolicy`, {});
  assert.equal(denied.status, 403);
});
