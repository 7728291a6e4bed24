import { existsSync, readdirSync, readFileSync } from "node:fs";
import { homedir } from "node:os";
import { join } from "node:path";
import { run, which } from "./command.ts";

/** What this host knows that a guest needs to reach the same package indexes: never a password, never a host's path. */

const CERTIFICATE = /-----BEGIN CERTIFICATE-----[\s\S]+?-----END CERTIFICATE-----/g;

/** Authorities that this host's administrator added (a proxy's, a company's). */
export function addedCertificates(): string[] {
  const folders = ["/usr/local/share/ca-certificates", "/etc/pki/ca-trust/source/anchors"];
  const files = folders.flatMap((folder) => filesIn(folder)).filter((file) => /\.(crt|pem)$/.test(file));
  return [...new Set(files.flatMap((file) => readFileSync(file, "utf8").match(CERTIFICATE) ?? []))];
}

/** All authorities that this host trusts, as one text; a host without a bundle has none. */
export function trustedCertificates(): string {
  const bundles = [
    process.env.SSL_CERT_FILE,
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/cert.pem",
  ];
  const found = bundles.find((path) => path !== undefined && existsSync(path));
  return found === undefined ? "" : readFileSync(found, "utf8");
}

function filesIn(folder: string): string[] {
  if (!existsSync(folder)) return [];
  return readdirSync(folder, { recursive: true, encoding: "utf8" }).map((name) => join(folder, name));
}

/** A URL without user name and password. */
export function withoutUserInfo(url: string): string {
  return url.replace(/^([a-z][a-z0-9+.-]*:\/\/)[^/@\s]*@/i, "$1");
}

/** pip's settings that mean the same inside a guest. Everything else (paths, caches, certificates) is the host's own. */
const PIP_PORTABLE = new Set([
  "disable-pip-version-check",
  "extra-index-url",
  "find-links",
  "index-url",
  "no-index",
  "only-binary",
  "prefer-binary",
  "proxy",
  "retries",
  "timeout",
  "trusted-host",
]);

/** The guest's `/etc/pip.conf`, from the host's files and `PIP_*` variables. */
export function pipConf(bundle: string, environment: NodeJS.ProcessEnv = process.env, files = pipFiles()): string {
  const settings = new Map<string, string[]>();
  for (const file of files) for (const [key, values] of parsePipFile(file)) settings.set(key, values);
  for (const [name, value] of Object.entries(environment)) {
    if (!name.startsWith("PIP_") || !value) continue;
    settings.set(
      name
        .slice(4)
        .toLowerCase()
        .replaceAll("_", "-")
        .replace(/^default-timeout$/, "timeout"),
      value.split(/\s+/),
    );
  }
  const lines = ["[global]", `cert = ${bundle}`];
  for (const [key, values] of settings) {
    if (!PIP_PORTABLE.has(key)) continue;
    // A folder of wheels on the host does not exist in the guest; a page of links does.
    const kept = values.filter((value) => key !== "find-links" || /^https?:/.test(value)).map(withoutUserInfo);
    if (kept.length > 0) lines.push(`${key} = ${kept.join("\n    ")}`);
  }
  return `${lines.join("\n")}\n`;
}

function pipFiles(): string[] {
  const named = process.env.PIP_CONFIG_FILE;
  const usual = ["/etc/pip.conf", join(homedir(), ".pip", "pip.conf"), join(homedir(), ".config", "pip", "pip.conf")];
  return [...usual, ...(named ? [named] : [])]
    .filter((path) => existsSync(path))
    .map((path) => readFileSync(path, "utf8"));
}

function parsePipFile(text: string): Map<string, string[]> {
  const settings = new Map<string, string[]>();
  let key: string | undefined;
  let section = "";
  for (const line of text.split(/\r?\n/)) {
    if (/^\s*([#;]|$)/.test(line)) continue;
    const head = /^\[(.+)\]/.exec(line);
    const pair = /^([\w-]+)\s*[=:]\s*(.*)$/.exec(line);
    if (head) section = head[1] as string;
    else if (/^\s/.test(line) && key) settings.get(key)?.push(...line.trim().split(/\s+/));
    else if (pair && (section === "global" || section === "install")) {
      key = (pair[1] as string).replaceAll("_", "-");
      settings.set(key, (pair[2] as string).split(/\s+/).filter(Boolean));
    } else key = undefined;
  }
  return settings;
}

const APT_PORTABLE =
  /^Acquire::(?:(?:http|https)::Proxy|Check-Valid-Until|Check-Date|Retries|http::Pipeline-Depth|Languages) /i;

/** apt's settings about how the mirror is reached, one `Key "value";` a line. */
export async function aptSettings(): Promise<string[]> {
  if (!which("apt-config")) return [];
  const { stdout } = await run("apt-config", ["dump"]);
  const lines = stdout.split("\n").filter((line) => APT_PORTABLE.test(line));
  return lines.map((line) => line.replace(/"(.*)"/, (_, value: string) => `"${withoutUserInfo(value)}"`));
}

/** The proxies of this host's environment that a guest can reach too. */
export function proxyEnvironment(direct: readonly string[], environment: NodeJS.ProcessEnv = process.env) {
  const result: Record<string, string> = {};
  for (const name of ["http_proxy", "https_proxy"]) {
    const value = environment[name] || environment[name.toUpperCase()];
    if (!value || /\/\/([^/@]*@)?(localhost|127\.|\[::1\])/.test(value)) continue;
    result[name] = withoutUserInfo(value);
    result[name.toUpperCase()] = withoutUserInfo(value);
  }
  if (Object.keys(result).length === 0) return result;
  const given = (environment.no_proxy || environment.NO_PROXY || "").split(",").filter(Boolean);
  const noProxy = [...new Set([...given, "localhost", "127.0.0.1", ...direct])].join(",");
  return { ...result, no_proxy: noProxy, NO_PROXY: noProxy };
}
