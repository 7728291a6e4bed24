import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { test } from "node:test";
import { pipConf, proxyEnvironment, withoutUserInfo } from "../../../localcloud/guests/hostSettings.ts";
import { parseSources } from "../../../localcloud/guests/rootfs/mirror.ts";
import { ustar } from "../../../localcloud/guests/ustar.ts";

test("pip's settings travel without passwords, host paths and host certificates", () => {
  const file = `
# a comment
[global]
index-url = https://me:secret@index.example/simple
extra-index-url =
    https://a.example/simple
    https://u:p@b.example/simple
cert = /etc/ssl/company.pem
cache_dir = /home/me/cache
find-links = /opt/wheels https://links.example/
[list]
format = columns
`;
  const conf = pipConf("/bundle", { PIP_DEFAULT_TIMEOUT: "180", PIP_FIND_LINKS: "", PIP_TARGET: "/x" }, [file]);
  assert.equal(
    conf,
    `[global]
cert = /bundle
index-url = https://index.example/simple
extra-index-url = https://a.example/simple
    https://b.example/simple
find-links = https://links.example/
timeout = 180
`,
  );
});

test("a variable wins over the files, and a folder of wheels is dropped", () => {
  const environment = { PIP_INDEX_URL: "https://two.example/simple", PIP_FIND_LINKS: "/opt/wheels" };
  const conf = pipConf("/b", environment, ["[global]\nindex-url = https://one.example/simple\n"]);
  assert.equal(conf, "[global]\ncert = /b\nindex-url = https://two.example/simple\n");
});

test("user names and passwords are taken out of addresses", () => {
  assert.equal(withoutUserInfo("https://me:p%40ss@host:8080/path@x"), "https://host:8080/path@x");
  assert.equal(withoutUserInfo("https://host/a@b"), "https://host/a@b");
});

test("proxies travel with their exceptions; one on the host's own loopback does not", () => {
  assert.deepEqual(
    proxyEnvironment(["api.example"], { HTTPS_PROXY: "http://u:p@proxy.example:3128", NO_PROXY: "corp" }),
    {
      https_proxy: "http://proxy.example:3128",
      HTTPS_PROXY: "http://proxy.example:3128",
      no_proxy: "corp,localhost,127.0.0.1,api.example",
      NO_PROXY: "corp,localhost,127.0.0.1,api.example",
    },
  );
  assert.deepEqual(proxyEnvironment([], { https_proxy: "http://127.0.0.1:3128" }), {});
});

test("apt's sources are read in both forms", () => {
  const stanzas = `Types: deb
# a comment
URIs: http://m.example/debian
Suites: bookworm bookworm-updates
Components: main

Types: deb-src
URIs: http://m.example/debian
Suites: bookworm

Enabled: no
Types: deb
URIs: http://off.example/debian
Suites: bookworm
`;
  assert.deepEqual(parseSources(stanzas), [
    { uri: "http://m.example/debian", suite: "bookworm" },
    { uri: "http://m.example/debian", suite: "bookworm-updates" },
  ]);
  const lines =
    "deb [signed-by=/k] http://n.example/debian bookworm main\n# deb http://x bookworm main\ndeb http://u:p@y.example/debian bookworm main\n";
  assert.deepEqual(parseSources(lines), [{ uri: "http://n.example/debian", suite: "bookworm" }]);
});

test("the archive of a boot's settings is a tar that tar reads", () => {
  const files = { "etc/hosts": "127.0.0.1 localhost\n", "etc/empty": "", "etc/long": "x".repeat(1500) };
  const archive = ustar(files);
  assert.equal(execFileSync("tar", ["-tf", "-"], { input: archive }).toString(), "etc/hosts\netc/empty\netc/long\n");
  assert.equal(execFileSync("tar", ["-xOf", "-", "etc/long"], { input: archive }).toString(), files["etc/long"]);
  assert.throws(() => ustar({ ["a".repeat(101)]: "" }), /100 bytes/);
});
