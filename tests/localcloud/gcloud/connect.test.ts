import assert from "node:assert/strict";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { connect } from "node:net";
import { join } from "node:path";
import { test } from "node:test";
import { ZONE } from "../compute/fixture.ts";
import { PLACE, World } from "./world.ts";

/** A server on the machine's loopback, as JupyterLab is, and one that the network reaches. */
const SERVERS = `#!/bin/bash
mkdir -p /srv/inside /srv/outside; echo only-inside >/srv/inside/index.html; echo for-all >/srv/outside/index.html
systemd-run --unit=inside python3 -m http.server 8888 --bind 127.0.0.1 --directory /srv/inside
systemd-run --unit=outside python3 -m http.server 8080 --bind 0.0.0.0 --directory /srv/outside
`;

test("mlt's ways into a machine: a command, a shell's options, files, tunnels, its console", async (t) => {
  const world = await World.start(t, [{ key: "startup-script", value: SERVERS }]);
  if (!world) return;
  await world.ready();
  const ssh = (...command: string[]) => world.gcloud(["compute", "ssh", "m", ...PLACE, ...command]);

  const who = await ssh("--command", "whoami; sudo -n id -u; hostname; exit 3");
  assert.equal(who.stdout, "operator_local_invalid\n0\nm\n");
  assert.equal(who.code, 3, "the command's own exit code");
  const quoted = `echo "a b" '$HOME' | tr a-z A-Z`;
  assert.equal((await ssh(`--command=${quoted}`)).stdout, "A B $HOME\n");
  assert.equal((await ssh("--", "-q", "uname")).stdout, "Linux\n", "what stands behind -- is ssh's");

  const folder = join(world.folder, "up");
  mkdirSync(join(folder, "in"), { recursive: true });
  writeFileSync(join(folder, "in", "a file"), Buffer.alloc(2_000_000, 7));
  const copy = (...ends: string[]) => world.gcloud(["compute", "scp", ...PLACE, "--recurse", ...ends]);
  assert.equal((await copy(folder, "m:there")).code, 0);
  assert.equal((await ssh("--command", "stat -c %s 'there/in/a file'")).stdout, "2000000\n");
  assert.equal((await copy("m:there", join(world.folder, "down"))).code, 0);
  assert.equal(readFileSync(join(world.folder, "down", "in", "a file")).length, 2_000_000);
  const twice = await copy("m:a", "n:b", world.folder);
  assert.match(twice.stderr, /All sources must refer to files on the same remote/);

  // A port of this host that leads to the machine's loopback, as `mlt jupyter` opens it; and one to its network address.
  const forward = world.start(t, [
    "compute",
    "ssh",
    "m",
    ...PLACE,
    "--command",
    "echo IS-OPEN; sleep 60",
    "--",
    "-L",
    "127.0.0.1:18888:127.0.0.1:8888",
  ]);
  await forward.waitFor(/IS-OPEN/);
  assert.match(await get(18888), /only-inside/);
  forward.child.kill("SIGTERM");
  const tunnel = world.start(t, [
    "compute",
    "start-iap-tunnel",
    "m",
    "8080",
    "--zone",
    ZONE,
    "--local-host-port",
    "localhost:0",
  ]);
  const port = Number(await tunnel.waitFor(/Listening on port \[(\d+)\]\./));
  assert.match(await get(port), /for-all/);
  assert.match(await get(port), /for-all/, "many connections, one after the other");
  tunnel.child.kill("SIGTERM");
  const closed = await world.gcloud(["compute", "start-iap-tunnel", "m", "8888", "--zone", ZONE]);
  assert.equal(closed.code, 1);
  assert.match(
    closed.stderr,
    /^ERROR: \(gcloud\.compute\.start-iap-tunnel\) Error while connecting \[4003: 'failed to connect to backend'\]\. \(Failed to connect to port 8888\)$/m,
  );

  const serial = await world.gcloud(["compute", "instances", "get-serial-port-output", "m", "--zone", ZONE]);
  assert.match(serial.stdout, /Accepted publickey for operator_local_invalid/);
  const next = /Specify --start=(\d+) in the next/.exec(serial.stderr)?.[1] ?? "";
  const rest = await world.gcloud([
    "compute",
    "instances",
    "get-serial-port-output",
    "m",
    "--zone",
    ZONE,
    "--start",
    next,
  ]);
  assert.ok(rest.stdout.length < 2000, "only what is new");
});

test("who may log in is the policies' to say; the keys of one person are of no use to another", async (t) => {
  const world = await World.start(t);
  if (!world) return;
  await world.ready();
  const { cloud } = world;
  const bind = (role: string, ...names: string[]) => ({
    role,
    members: names.map((name) => `user:${name}@example.com`),
  });
  const tunnels = `/iap/v1/projects/test-project/iap_tunnel/zones/${ZONE}/instances/m`;
  const project = "/crm/v1/projects/test-project";
  const login = (bindings: object[]) =>
    cloud.ok("POST", `zones/${ZONE}/instances/m/setIamPolicy`, { policy: { bindings } });
  const ssh = (name: string) =>
    world.gcloud(
      ["compute", "ssh", "m", ...PLACE, "--command", "whoami; sudo -n id -u || echo NO-SUDO"],
      world.as(`${name}@example.com`),
    );

  const nothing = await ssh("ann");
  assert.match(
    nothing.stderr,
    /Required 'compute\.instances\.get' permission for 'projects\/test-project\/zones\/us-central1-a\/instances\/m'/,
  );
  await cloud.ok("POST", `${project}:setIamPolicy`, {
    policy: { bindings: [bind("roles/compute.viewer", "ann", "ben")] },
  });
  const noTunnel = await ssh("ann");
  assert.match(noTunnel.stderr, /Error while connecting \[4033: 'not authorized'\]\./);
  assert.equal(noTunnel.code, 255);
  await cloud.ok("POST", `${tunnels}:setIamPolicy`, {
    policy: { bindings: [bind("roles/iap.tunnelResourceAccessor", "ann", "ben")] },
  });
  const noLogin = await ssh("ann");
  assert.match(noLogin.stderr, /Permission denied \(publickey\)/);
  await login([bind("roles/compute.osLogin", "ann"), bind("roles/compute.osAdminLogin", "ben")]);
  assert.deepEqual((await ssh("ann")).stdout.trim().split("\n"), ["ann_example_com", "NO-SUDO"]);
  assert.deepEqual((await ssh("ben")).stdout.trim().split("\n"), ["ben_example_com", "0"]);
  await login([bind("roles/compute.osLogin", "ben")]);
  assert.match(
    (await ssh("ann")).stderr,
    /Permission denied \(publickey\)/,
    "a right that is gone is gone at the next login",
  );

  // OS Login alone decides: a machine that does not use it lets nobody in.
  const { metadata } = (await cloud.instance("m")) as { metadata: { fingerprint: string } };
  await cloud.done("POST", `zones/${ZONE}/instances/m/setMetadata`, { fingerprint: metadata.fingerprint, items: [] });
  const off = await world.gcloud(["compute", "ssh", "m", ...PLACE]);
  assert.match(
    off.stderr,
    /^ERROR: \(gcloud\.compute\.ssh\) The instance m does not use OS Login \(metadata enable-oslogin is not TRUE\)/m,
  );
});

test("Google's own gcloud connects through the same tunnels", async (t) => {
  const world = await World.start(t);
  if (!world) return;
  const env = { ...world.operator, PATH: (world.operator.PATH ?? "").split(":").slice(1).join(":") };
  const version = await world.gcloud(["--version"], env);
  if (!/^Google Cloud SDK \d/.test(version.stdout)) return t.skip("Google's gcloud is not installed");
  await world.ready();
  const port = await world.overTls(t);
  const url = [
    `--iap-tunnel-url-override=wss://127.0.0.1:${port}/tunnel/v4`,
    "--iap-tunnel-insecure-disable-websocket-cert-check",
  ];
  const account = { ...env, CLOUDSDK_CORE_ACCOUNT: "operator@local.invalid", CLOUDSDK_CORE_DISABLE_PROMPTS: "1" };
  const ran = await world.gcloud(
    ["compute", "ssh", "m", ...PLACE, ...url, "--command", "whoami; sudo -n id -u"],
    account,
  );
  assert.ok(ran.stdout.endsWith("operator_local_invalid\n0\n"), ran.stdout + ran.stderr);
});

/** What an HTTP server on a port of this host answers. */
function get(port: number): Promise<string> {
  return new Promise((resolve, reject) => {
    let text = "";
    const socket = connect(port, "127.0.0.1", () => socket.write("GET / HTTP/1.0\r\n\r\n"));
    socket.setEncoding("utf8").on("data", (chunk: string) => {
      text += chunk;
    });
    socket.on("end", () => resolve(text));
    socket.on("error", reject);
  });
}
