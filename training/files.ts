import { mkdir, stat } from "node:fs/promises";
import { dirname } from "node:path";
import { UserError } from "./errors.ts";

const REASONS: Readonly<Record<string, string>> = {
  EACCES: "this is not allowed",
  EPERM: "this is not allowed",
  ENOENT: "it is not there any more",
  ENOTDIR: "a part of its path is a file, where a folder has to be",
  EEXIST: "a file of this name is there",
  EISDIR: "a folder of this name is there",
  ENOTEMPTY: "a folder of this name is there",
  ENOSPC: "the disk is full",
  EDQUOT: "the disk is full",
  EROFS: "the disk is read-only",
  ENAMETOOLONG: "its name is too long",
  EMFILE: "too many files are open",
  ELOOP: "its links go round in a circle",
  EIO: "the disk reports an error",
};

/** Makes a folder and those above it. Node's own `recursive` never ends where the system refuses with ENOENT (/proc). */
export async function makeFolder(path: string, mode?: number): Promise<void> {
  const make = async () => {
    try {
      await mkdir(path, mode === undefined ? {} : { mode });
    } catch (error) {
      if ((error as { code?: unknown }).code !== "EEXIST" || !(await stat(path)).isDirectory()) throw error;
    }
  };
  try {
    await make();
  } catch (error) {
    const above = dirname(path);
    if ((error as { code?: unknown }).code !== "ENOENT" || above === path) throw error;
    await makeFolder(above, mode);
    // Once: the folder above is there now, whoever of several downloads has made it.
    await make();
  }
}

/** Why the file system refused, in a few words; `undefined` for every other kind of error. */
export function fileReason(error: unknown): string | undefined {
  const { code, syscall } = (error ?? {}) as { code?: unknown; syscall?: unknown };
  if (typeof syscall !== "string" || syscall === "connect") return undefined;
  return syscall === "mkdir" && code === "ENOENT" ? "no folder can be made there" : REASONS[String(code)];
}

/** The same error for the user where the file system refused; else the error itself. */
export function fileError(error: unknown, doing: string): unknown {
  const reason = fileReason(error);
  return reason ? new UserError(`${doing} is not possible: ${reason}.`) : error;
}

/** Why a file's name cannot be used in a package or a bucket; `undefined` if it can. */
export function nameProblem(name: string): string | undefined {
  // What Node puts where the bytes are no UTF-8.
  if (name.includes("\ufffd")) return "a name that is not UTF-8";
  if ([...name].some((character) => character < " " || character === "\u007f")) {
    return "a name with a line end or another control character in it";
  }
  return undefined;
}

/** Text from elsewhere on one line, short enough to be quoted in a message. */
export function quotable(text: string, most = 120): string {
  const line = [...text].map((character) => (character < " " || character === "\u007f" ? " " : character));
  return line.length > most ? `${line.slice(0, most - 1).join("")}…` : line.join("");
}
