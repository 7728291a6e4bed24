import { createHash } from "node:crypto";
import { fullName, isPinned, parseImage } from "./imageNames.ts";
import { KubeflowError } from "./problem.ts";

// Registries speak one protocol: GET a manifest, be told where to ask for a token, ask, GET again. What pulls images
// without an account may do so too; nothing is sent that says who asks.

/** Lists of one image for several architectures first: that is what a cluster with both kinds of nodes needs. */
const MANIFESTS = [
  "application/vnd.oci.image.index.v1+json",
  "application/vnd.docker.distribution.manifest.list.v2+json",
  "application/vnd.oci.image.manifest.v1+json",
  "application/vnd.docker.distribution.manifest.v2+json",
].join(", ");

const SECONDS = 30;
/** A manifest is some kilobytes. */
const MOST_BYTES = 4 << 20;

export interface RegistryOptions {
  /** Where a registry answers, if not by HTTPS at its own name. */
  origins?: Readonly<Record<string, string>>;
}

/**
 * The digest of a pinned image: computed from the manifest that the registry sends, and held against what it says.
 * @throws {KubeflowError} for a name that is not pinned, and for what the registry refuses
 */
export async function askDigest(image: string, { origins = {} }: RegistryOptions = {}): Promise<string> {
  const parsed = parseImage(image);
  const { registry = "", repository, tag, digest } = parsed ?? {};
  if (digest) return digest;
  if (!parsed || !tag || tag === "latest") {
    throw new KubeflowError(`${image} names no release of an image; only such a name has one digest for good`);
  }
  const origin = origins[registry] ?? `https://${registry === "docker.io" ? "registry-1.docker.io" : registry}`;
  const url = `${origin}/v2/${repository}/manifests/${tag}`;
  let response = await request(image, url, {});
  if (response.status === 401) {
    const token = await askToken(image, response.headers.get("www-authenticate") ?? "", origin);
    response = await request(image, url, { authorization: `Bearer ${token}` });
  }
  if (response.status === 404) throw new KubeflowError(`${registry} has no ${repository}:${tag}`);
  if (!response.ok) throw new KubeflowError(`${registry} answers ${response.status} for ${repository}:${tag}`);
  const body = new Uint8Array(await response.arrayBuffer());
  if (body.byteLength > MOST_BYTES) throw new KubeflowError(`${registry} sends no manifest for ${repository}:${tag}`);
  const computed = `sha256:${createHash("sha256").update(body).digest("hex")}`;
  const said = response.headers.get("docker-content-digest");
  if (said && said !== computed) {
    throw new KubeflowError(
      `${registry} says that ${repository}:${tag} is ${said}, and sends ${computed}; nothing is taken`,
    );
  }
  return computed;
}

/** `Bearer realm="https://…",service="…",scope="…"`: where a token is had, and for what. */
async function askToken(image: string, challenge: string, origin: string): Promise<string> {
  const members = Object.fromEntries([...challenge.matchAll(/(\w+)="([^"]*)"/g)].map(([, key, value]) => [key, value]));
  const { realm, ...rest } = members;
  if (!/^Bearer /i.test(challenge) || !realm || !URL.canParse(realm)) {
    throw new KubeflowError(`the registry of ${image} asks for a login that this program does not know`);
  }
  const url = new URL(realm);
  // A token over plain HTTP only from where the registry itself is reached so.
  if (url.protocol !== "https:" && !origin.startsWith("http:")) {
    throw new KubeflowError(`the registry of ${image} sends for a token to ${realm}, which is not HTTPS`);
  }
  for (const key of ["service", "scope"]) if (rest[key]) url.searchParams.set(key, rest[key]);
  const response = await request(image, url.href, {});
  const answer = response.ok ? ((await response.json()) as { token?: string; access_token?: string }) : {};
  const token = answer.token ?? answer.access_token;
  if (!token) throw new KubeflowError(`${url.host} gives no token for ${image}: ${response.status}`);
  return token;
}

async function request(image: string, url: string, headers: Record<string, string>): Promise<Response> {
  try {
    return await fetch(url, {
      headers: { accept: MANIFESTS, ...headers },
      signal: AbortSignal.timeout(SECONDS * 1000),
    });
  } catch (error) {
    const { cause, message } = error as Error & { cause?: Error };
    throw new KubeflowError(`${new URL(url).host} cannot be reached for ${image}: ${cause?.message ?? message}`);
  }
}

/**
 * Digests of all images, four at a time.
 * @throws {KubeflowError} with every image that failed; then none is taken
 */
export async function askDigests(
  images: readonly string[],
  options: RegistryOptions & { progress?: (image: string, digest: string) => void } = {},
): Promise<Record<string, string>> {
  const loose = images.filter((image) => !isPinned(image) && !/:[\w][\w.-]*$/.test(fullName(image)));
  if (loose.length > 0) throw new KubeflowError(`these images have no tag: ${loose.join(", ")}`);
  const digests: Record<string, string> = {};
  const problems: string[] = [];
  const waiting = [...images];
  const work = async () => {
    for (let image = waiting.shift(); image !== undefined; image = waiting.shift()) {
      try {
        const digest = await askDigest(image, options);
        digests[image] = digest;
        options.progress?.(image, digest);
      } catch (error) {
        if (!(error instanceof KubeflowError)) throw error;
        problems.push(`  ${error.message}`);
      }
    }
  };
  await Promise.all(Array.from({ length: 4 }, work));
  if (problems.length > 0) {
    throw new KubeflowError(
      `not every image has a digest; the lock file stays as it is:\n${problems.sort().join("\n")}`,
    );
  }
  return digests;
}
