// Where an export goes: a bucket, in which Google copies, or a folder, to which everything is streamed.
import { readdir, readFile, rm, stat, writeFile } from "node:fs/promises";
import { dirname, join, resolve } from "node:path";
import { call, Refused } from "../../cleanup/rest.ts";
import { fileCrc } from "../../training/checksum.ts";
import { bucketOf } from "../../training/environment.ts";
import { explained, UserError } from "../../training/errors.ts";
import { fileError, makeFolder } from "../../training/files.ts";
import type { ObjectInfo, Objects } from "../../training/storage.ts";
import { receive } from "../../training/transfer.ts";
import { fileNames, objectKey } from "./exportNames.ts";

/** What was found of an object in the archive. */
export interface Kept {
  bytes: number;
  /** Base64, as Google gives it. */
  crc32c: string;
}

/** A place for everybody's results, one folder each. */
export interface Archive {
  /** For messages: `gs://BUCKET/PREFIX` or a folder's path. */
  readonly at: string;
  /** The bucket, if it is one. */
  readonly bucket?: string;
  /** One student's folder. What is in it is looked up when it is opened. */
  open(student: string): Promise<ArchiveFolder>;
  /** Writes a text beside the students' folders. */
  write(name: string, text: string): Promise<void>;
  /** Such a text; `undefined`: there is none. */
  read(name: string): Promise<string | undefined>;
}

export interface ArchiveFolder {
  /** The name of each object in this folder. */
  names(objects: readonly string[]): Map<string, string>;
  /** What is there under a name, read at this moment; `undefined`: nothing. */
  look(name: string): Promise<Kept | undefined>;
  /** Copies one object of exactly this generation. */
  copy(bucket: string, object: ObjectInfo, name: string): Promise<void>;
  /** Looks at everything anew, and takes away what broken-off copies have left. */
  reread(): Promise<void>;
  write(name: string, text: string): Promise<void>;
}

/** @param to `gs://BUCKET[/PREFIX]`, or a folder on this computer */
export async function openArchive(to: string, objects: Objects): Promise<Archive> {
  if (!to.startsWith("gs://")) return folderArchive(resolve(to));
  const [, name = "", prefix = ""] = /^gs:\/\/([^/]*)\/?(.*?)\/*$/.exec(to) ?? [];
  const bucket = bucketOf(`gs://${name}`);
  if (prefix.split("/").some((part) => part === "." || part === "..")) {
    throw new UserError(`An archive is gs://BUCKET, gs://BUCKET/PREFIX or a folder; got "${to}".`);
  }
  // One that cannot be listed is told before anything is read.
  await objects.list(bucket, { prefix: prefix ? `${prefix}/` : "", limit: 1 });
  return bucketArchive(bucket, prefix ? `${prefix}/` : "", objects);
}

function bucketArchive(bucket: string, base: string, objects: Objects): Archive {
  const at = `gs://${bucket}${base ? `/${base.slice(0, -1)}` : ""}`;
  return {
    at,
    bucket,
    async open(student) {
      const prefix = `${base}${student}/`;
      let there = new Map<string, ObjectInfo>();
      const reread = async () => {
        const { objects: found } = await objects.list(bucket, { prefix });
        there = new Map(found.map((object) => [object.name.slice(prefix.length), object]));
      };
      await reread();
      return {
        names: (all) => new Map(all.map((name) => [name, objectKey(prefix, name).slice(prefix.length)])),
        async look(name) {
          const found = there.get(name);
          return found && { bytes: found.size, crc32c: found.crc32c };
        },
        copy: (from, object, name) => rewrite(from, object, bucket, prefix + name, there.get(name)?.generation),
        reread,
        write: (name, text) => writeText(objects, bucket, prefix + name, text),
      };
    },
    write: (name, text) => writeText(objects, bucket, base + name, text),
    read: async (name) => (await objects.read(bucket, base + name))?.data.toString("utf8"),
  };
}

async function writeText(objects: Objects, bucket: string, name: string, text: string): Promise<void> {
  await objects.write(bucket, name, text, { contentType: "application/json" });
}

/** Google copies; nothing comes through this computer. A large object takes several calls. */
async function rewrite(
  from: string,
  object: ObjectInfo,
  bucket: string,
  name: string,
  replaced: string | undefined,
): Promise<void> {
  const path = `b/${encodeURIComponent(from)}/o/${encodeURIComponent(object.name)}/rewriteTo/b/${encodeURIComponent(bucket)}/o/${encodeURIComponent(name)}`;
  let rewriteToken: string | undefined;
  try {
    do {
      const query = { sourceGeneration: object.generation, ifGenerationMatch: replaced ?? "0", rewriteToken };
      const answer: { done?: boolean; rewriteToken?: string } = await call("storage", path, { method: "POST", query });
      rewriteToken = answer.done ? undefined : answer.rewriteToken;
    } while (rewriteToken !== undefined);
  } catch (error) {
    // Somebody else wrote it, or the answer to an earlier try was lost: the reading back says what it is.
    if (error instanceof Refused && error.status === 412) return;
    if (error instanceof Refused && error.status === 404) {
      throw new UserError(`gs://${from}/${object.name} went while it was copied, or gs://${bucket} does not exist`);
    }
    throw explained(error, `Copying gs://${from}/${object.name}`);
  }
}

/** Broken-off downloads: `receive` names them so. */
const PART = /\.\d+\.part$/;

function folderArchive(root: string): Archive {
  return {
    at: root,
    async open(student) {
      const folder = join(root, student);
      const path = (name: string) => join(folder, ...name.split("/"));
      let expected = new Set<string>();
      return {
        names(all) {
          const names = fileNames(all);
          expected = new Set(names.values());
          return names;
        },
        async look(name) {
          const file = path(name);
          const found = await stat(file).catch(() => undefined);
          if (!found?.isFile()) return undefined;
          try {
            return { bytes: found.size, crc32c: await fileCrc(file) };
          } catch (error) {
            throw fileError(error, `Reading ${file}`);
          }
        },
        async copy(from, object, name) {
          const file = path(name);
          try {
            await makeFolder(dirname(file), 0o700);
            await receive(from, object, file, { add: () => undefined });
          } catch (error) {
            throw fileError(error, `Writing ${file}`);
          }
        },
        reread: () => removeParts(folder, "", expected),
        write: (name, text) => writeFileWhole(path(name), text),
      };
    },
    write: (name, text) => writeFileWhole(join(root, name), text),
    read: (name) => readFile(join(root, name), "utf8").catch(() => undefined),
  };
}

async function removeParts(folder: string, below: string, expected: ReadonlySet<string>): Promise<void> {
  const entries = await readdir(join(folder, below), { withFileTypes: true }).catch(() => []);
  for (const entry of entries) {
    const name = below ? `${below}/${entry.name}` : entry.name;
    if (entry.isDirectory()) await removeParts(folder, name, expected);
    else if (PART.test(entry.name) && !expected.has(name) && expected.has(name.replace(PART, ""))) {
      await rm(join(folder, name), { force: true });
    }
  }
}

async function writeFileWhole(file: string, text: string): Promise<void> {
  try {
    await makeFolder(dirname(file), 0o700);
    await writeFile(file, text, { mode: 0o600 });
  } catch (error) {
    throw fileError(error, `Writing ${file}`);
  }
}
