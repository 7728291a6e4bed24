import { createHash } from "node:crypto";
import { mkdir, readdir, readFile, rm } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { gunzipSync } from "node:zlib";
import { fileError } from "../../training/files.ts";
import { Objects } from "../../training/storage.ts";

/** Pulumi's project, which the names of its files hold. */
export const PULUMI_PROJECT = "mltraining";

/** What Pulumi keeps of a stack, as far as it is looked at here. */
export interface Checkpoint {
  resources: { urn: string; type: string; outputs?: Record<string, unknown> }[];
  pending: PendingOperation[];
  /** Differs whenever anything in the stack's state differs. */
  mark: string;
}

/** A call that was under way when Pulumi ended: nobody knows whether Google carried it out. */
export interface PendingOperation {
  type: string;
  resource: { urn: string; type: string; id?: string; inputs?: Record<string, unknown> };
}

/** Whoever works on a stack says so in a file. */
export interface StackLock {
  /** For messages and for its removal. */
  at: string;
  user: string;
  host: string;
  pid: number;
  /** ISO time. */
  since: string;
  generation?: string;
}

/** Where Pulumi keeps the states of a course: read here, written by Pulumi alone; only locks are removed. */
export interface States {
  /** For Pulumi: `PULUMI_BACKEND_URL`. */
  readonly url: string;
  /** `undefined` if there is no such stack. */
  checkpoint(stack: string): Promise<Checkpoint | undefined>;
  locks(stack: string): Promise<StackLock[]>;
  /** Removes exactly this lock: another that somebody has taken meanwhile stays. */
  removeLock(lock: StackLock): Promise<void>;
  /** Names of the stacks that are there and begin with this. */
  stacks(prefix: string): Promise<string[]>;
}

/** The files' content; a place where files are. */
interface Files {
  list(folder: string): Promise<string[]>;
  read(name: string): Promise<{ data: Buffer; generation?: string } | undefined>;
  remove(name: string, generation?: string): Promise<void>;
  at(name: string): string;
}

/**
 * Opens the place of the states. @param state `gs://BUCKET[/PREFIX]` or `file:///FOLDER`, which is made if it is not there
 */
export async function openStates(state: string, objects = new Objects()): Promise<States> {
  const files = state.startsWith("gs://") ? bucketFiles(state, objects) : await folderFiles(fileURLToPath(state));
  const stackFolder = `.pulumi/stacks/${PULUMI_PROJECT}`;
  return {
    url: state,
    async checkpoint(stack) {
      const plain = await files.read(`${stackFolder}/${stack}.json`);
      // Written so with PULUMI_DIY_BACKEND_GZIP.
      const packed = plain ? undefined : await files.read(`${stackFolder}/${stack}.json.gz`);
      const data = plain?.data ?? (packed && gunzipSync(packed.data));
      return data && parseCheckpoint(data);
    },
    async locks(stack) {
      const folder = `.pulumi/locks/organization/${PULUMI_PROJECT}/${stack}`;
      const names = (await files.list(folder)).filter((name) => name.endsWith(".json"));
      const found = await Promise.all(
        names.map(async (name) => {
          const file = await files.read(`${folder}/${name}`);
          return file && parseLock(file.data, files.at(`${folder}/${name}`), file.generation);
        }),
      );
      return found.filter((lock) => lock !== undefined);
    },
    removeLock: ({ at, generation }) => files.remove(at.slice(files.at("").length), generation),
    async stacks(prefix) {
      const names = await files.list(stackFolder);
      const stacks = names.flatMap((name) => /^(.+?)\.json(?:\.gz)?$/.exec(name)?.[1] ?? []);
      return [...new Set(stacks.filter((name) => name.startsWith(prefix) && !name.endsWith(".json")))].sort();
    },
  };
}

/** Pulumi's file of a stack. */
export function parseCheckpoint(data: Buffer): Checkpoint {
  const { checkpoint } = JSON.parse(data.toString("utf8")) as {
    checkpoint?: { latest?: { resources?: Checkpoint["resources"]; pending_operations?: PendingOperation[] } };
  };
  const { resources = [], pending_operations: pending = [] } = checkpoint?.latest ?? {};
  return { resources, pending, mark: createHash("sha256").update(data).digest("hex") };
}

function parseLock(data: Buffer, at: string, generation?: string): StackLock {
  let content: { pid?: number; username?: string; hostname?: string; timestamp?: string } = {};
  try {
    content = JSON.parse(data.toString("utf8")) as typeof content;
  } catch {
    // Being written this moment, or cut off: a lock of nobody.
  }
  const { pid = 0, username = "", hostname = "", timestamp = "" } = content;
  return { at, pid, user: username, host: hostname, since: timestamp, ...(generation ? { generation } : {}) };
}

function bucketFiles(state: string, objects: Objects): Files {
  const [, bucket = "", prefix = ""] = /^gs:\/\/([^/]+)\/?(.*?)\/*$/.exec(state) ?? [];
  const whole = (name: string) => (prefix ? `${prefix}/${name}` : name);
  return {
    async list(folder) {
      const below = `${whole(folder)}/`;
      const { objects: found } = await objects.list(bucket, { prefix: below, delimiter: "/" });
      return found.map(({ name }) => name.slice(below.length));
    },
    read: (name) => objects.read(bucket, whole(name)),
    remove: (name, generation) => objects.remove(bucket, whole(name), generation),
    at: (name) => `gs://${bucket}/${whole(name)}`,
  };
}

async function folderFiles(root: string): Promise<Files> {
  // Pulumi asks for a folder that is there.
  await mkdir(root, { recursive: true, mode: 0o700 }).catch((error: unknown) => {
    throw fileError(error, `Making ${root}`);
  });
  const absent = <T>(instead: T) => {
    return (error: unknown): T => {
      if ((error as { code?: unknown }).code === "ENOENT") return instead;
      throw fileError(error, `Reading ${root}`);
    };
  };
  return {
    list: (folder) => readdir(join(root, folder)).catch(absent<string[]>([])),
    read: (name) => readFile(join(root, name)).then((data) => ({ data }), absent(undefined)),
    remove: (name) => rm(join(root, name), { force: true }),
    at: (name) => join(root, "/", name),
  };
}
