import type { File, Storage } from "@google-cloud/storage";
import { login, loginHeaders } from "./auth.ts";
import { crc32c, crcText } from "./checksum.ts";
import { mediaUrl, storageRoot } from "./endpoints.ts";
import { explained, messageOf, retrying, statusOf, UserError } from "./errors.ts";

/** What was in an object when it was read. */
export interface Content {
  data: Buffer;
  /** Names this very content: a write with it as precondition fails if somebody else wrote in between. */
  generation: string;
}

export interface ObjectInfo {
  name: string;
  size: number;
  updated: string;
  generation: string;
  /** Base64, as Google gives it. */
  crc32c: string;
}

export interface Listing {
  objects: ObjectInfo[];
  /** With a delimiter: the "folders". */
  prefixes: string[];
}

/** A write found another generation than the one it was made for. */
export class Conflict extends Error {
  override name = "Conflict";
}

/** What is tried again, and for how long, is decided here (`retrying`): the client would try to reach nobody for a minute. */
const RETRY = { autoRetry: false, maxRetries: 0 };

/** The few things that this project does with objects, over Google's official client, loaded when it is first needed. */
export class Objects {
  #client: Promise<Storage> | undefined;

  client(): Promise<Storage> {
    this.#client ??= Promise.all([import("@google-cloud/storage"), login()]).then(([{ Storage }, authClient]) => {
      const apiEndpoint = storageRoot();
      const client = new Storage({ authClient, retryOptions: RETRY, apiEndpoint, useAuthWithCustomEndpoint: true });
      // The client lets STORAGE_EMULATOR_HOST win over what it was told, for some of its calls.
      client.baseUrl = `${apiEndpoint}/storage/v1`;
      return client;
    });
    return this.#client;
  }

  async file(bucket: string, name: string, generation?: string): Promise<File> {
    return (await this.client()).bucket(bucket).file(name, generation ? { generation } : {});
  }

  /** `undefined` if there is no such object (a missing bucket is an error). */
  async read(bucket: string, name: string, start = 0): Promise<Content | undefined> {
    try {
      return await retrying(() => media(bucket, name, start));
    } catch (error) {
      if (statusOf(error) === 416) return { data: Buffer.alloc(0), generation: "" };
      if (statusOf(error) === 404 && !isMissingBucket(error)) return undefined;
      throw explainedBucket(error, bucket, `Reading gs://${bucket}/${name}`);
    }
  }

  async readJson<T>(bucket: string, name: string): Promise<{ value: T; generation: string } | undefined> {
    const found = await this.read(bucket, name);
    if (!found) return undefined;
    try {
      return { value: JSON.parse(found.data.toString("utf8")) as T, generation: found.generation };
    } catch {
      throw new UserError(`gs://${bucket}/${name} is not JSON: somebody wrote it by hand, or it is not ours.`);
    }
  }

  /** @returns the new generation; throws `Conflict` when the precondition does not hold. */
  async write(
    bucket: string,
    name: string,
    data: string | Buffer,
    options: { ifGeneration?: string | number; contentType?: string } = {},
  ): Promise<string> {
    const { ifGeneration, contentType = "application/octet-stream" } = options;
    let tries = 0;
    try {
      const file = await this.file(bucket, name);
      await retrying(() => {
        tries += 1;
        return file.save(data, {
          resumable: false,
          contentType,
          ...(ifGeneration === undefined ? {} : { preconditionOpts: { ifGenerationMatch: ifGeneration } }),
        });
      });
      return String(file.metadata.generation ?? "");
    } catch (error) {
      if (statusOf(error) !== 412) throw explainedBucket(error, bucket, `Writing gs://${bucket}/${name}`);
      // The answer to an earlier try may have been lost, and what is there now is ours.
      const there = tries > 1 ? await this.info(bucket, name) : undefined;
      const bytes = Buffer.from(data);
      if (there?.size === bytes.length && there.crc32c === crcText(crc32c(bytes))) return there.generation;
      throw new Conflict(`gs://${bucket}/${name} changed in between`);
    }
  }

  writeJson(bucket: string, name: string, value: unknown, ifGeneration?: string | number): Promise<string> {
    const options = ifGeneration === undefined ? {} : { ifGeneration };
    return this.write(bucket, name, `${JSON.stringify(value, null, 2)}\n`, {
      ...options,
      contentType: "application/json",
    });
  }

  async info(bucket: string, name: string): Promise<ObjectInfo | undefined> {
    try {
      const file = await this.file(bucket, name);
      const [metadata] = await retrying(() => file.getMetadata());
      return infoOf(metadata);
    } catch (error) {
      if (statusOf(error) === 404 && !isMissingBucket(error)) return undefined;
      throw explainedBucket(error, bucket, `Reading gs://${bucket}/${name}`);
    }
  }

  /** Removes an object, of exactly this generation if one is given; nothing happens if it is not there (any more). */
  async remove(bucket: string, name: string, ifGeneration?: string): Promise<void> {
    try {
      const file = await this.file(bucket, name);
      const options = ifGeneration === undefined ? {} : { ifGenerationMatch: ifGeneration };
      await retrying(() => file.delete(options));
    } catch (error) {
      const gone = statusOf(error) === 404 && !isMissingBucket(error);
      if (!gone && statusOf(error) !== 412) throw explainedBucket(error, bucket, `Removing gs://${bucket}/${name}`);
    }
  }

  /** Everything below a prefix, page by page; with `limit` no more than that. */
  async list(
    bucket: string,
    query: { prefix: string; delimiter?: string; startOffset?: string; matchGlob?: string; limit?: number },
  ): Promise<Listing> {
    const listing: Listing = { objects: [], prefixes: [] };
    const { limit, ...rest } = query;
    let page: Record<string, unknown> | null = { ...rest, autoPaginate: false, maxResults: limit ?? 1000 };
    try {
      const handle = (await this.client()).bucket(bucket);
      while (page) {
        const wanted: Record<string, unknown> = page;
        const [files, next, response] = (await retrying(() => handle.getFiles(wanted))) as unknown as [
          File[],
          Record<string, unknown> | null,
          { prefixes?: string[] },
        ];
        listing.objects.push(...files.map((file) => infoOf(file.metadata)));
        listing.prefixes.push(...(response?.prefixes ?? []));
        page = limit === undefined ? next : null;
      }
    } catch (error) {
      throw explainedBucket(error, bucket, `Listing gs://${bucket}/${query.prefix}`);
    }
    return listing;
  }
}

/** An object's contents from byte `start` on. */
async function media(bucket: string, name: string, start: number): Promise<Content> {
  const url = mediaUrl(bucket, name);
  const headers = await loginHeaders(url);
  if (start > 0) headers.set("range", `bytes=${start}-`);
  const response = await fetch(url, { headers });
  if (!response.ok) throw Object.assign(new Error((await response.text()).slice(0, 2000)), { status: response.status });
  const whole = Buffer.from(await response.arrayBuffer());
  // Who does not know ranges sends all of it.
  const data = start > 0 && response.status !== 206 ? whole.subarray(start) : whole;
  return { data, generation: response.headers.get("x-goog-generation") ?? "" };
}

function infoOf(metadata: File["metadata"]): ObjectInfo {
  return {
    name: String(metadata.name),
    size: Number(metadata.size ?? 0),
    updated: String(metadata.updated ?? ""),
    generation: String(metadata.generation ?? ""),
    crc32c: String(metadata.crc32c ?? ""),
  };
}

function isMissingBucket(error: unknown): boolean {
  return /bucket does not exist|no such bucket/i.test(`${messageOf(error)} ${(error as Error).message}`);
}

function explainedBucket(error: unknown, bucket: string, doing: string): unknown {
  if (statusOf(error) === 404) {
    return new UserError(
      `The bucket gs://${bucket} does not exist. Check the name, or run \`pulumi up\` to create it.`,
    );
  }
  return explained(error, doing);
}
