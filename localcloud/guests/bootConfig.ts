import { GOOGLE_HOSTS, type GuestSpec } from "./guest.ts";
import { addedCertificates, aptSettings, pipConf, proxyEnvironment } from "./hostSettings.ts";
import { ustar } from "./ustar.ts";

/** Compute Engine's address of the metadata server. */
export const METADATA_ADDRESS = "169.254.169.254";
/** Where a guest finds Google's API host names. */
export const API_ADDRESS = "169.254.169.253";
export const METADATA_HOSTS = ["metadata.google.internal", "metadata"];
/** The guest's own bundle; the session's authority is added to it while the guest boots. */
export const GUEST_BUNDLE = "/etc/ssl/certs/ca-certificates.crt";

/**
 * What belongs to one boot, as an archive that the guest itself unpacks (`rootfs/files.ts`, `apply-boot-config`): the
 * host never writes into a disk that a guest has written to, where a link could lead anywhere.
 */
export async function bootConfig(spec: GuestSpec, extra: Readonly<Record<string, string>> = {}): Promise<Buffer> {
  const files: Record<string, string> = {
    "etc/hosts": hostsFile(spec.name),
    "etc/pip.conf": pipConf(GUEST_BUNDLE),
    "etc/apt/apt.conf.d/90-boot-config": `${(await aptSettings()).join("\n")}\n`,
    "run/boot-config/environment": lines(proxyEnvironment([...METADATA_HOSTS, METADATA_ADDRESS, ...GOOGLE_HOSTS])),
  };
  const authorities = [spec.certificate.authority, ...addedCertificates()];
  for (const [index, authority] of authorities.entries()) {
    files[`usr/local/share/ca-certificates/boot-config-${index}.crt`] = `${authority.trim()}\n`;
  }
  return ustar({ ...files, ...extra });
}

function hostsFile(name: string): string {
  const entries: [string, readonly string[]][] = [
    ["127.0.0.1", ["localhost"]],
    ["::1", ["localhost", "ip6-localhost"]],
    ["127.0.1.1", [name]],
    [METADATA_ADDRESS, METADATA_HOSTS],
    [API_ADDRESS, GOOGLE_HOSTS],
  ];
  return entries.map(([address, names]) => `${address} ${names.join(" ")}\n`).join("");
}

function lines(values: Record<string, string>): string {
  return Object.entries(values)
    .map(([key, value]) => `${key}=${value}\n`)
    .join("");
}
