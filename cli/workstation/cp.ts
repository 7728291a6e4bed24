import { randomBytes } from "node:crypto";
import { cp as copyFiles, rename, rm, stat } from "node:fs/promises";
import { basename, dirname, join, resolve } from "node:path";
import { EXIT, UserError } from "../../training/errors.ts";
import { fileError, makeFolder } from "../../training/files.ts";
import { answerIn, type Copy, cleanLine, giveLine, readCopy, stageOf, takeLine } from "../../workstation/copy.ts";
import { copyArguments, scriptArguments } from "../../workstation/ssh.ts";
import { gcloudFailed } from "../../workstation/words.ts";
import { plain, printJson } from "../output/print.ts";
import { type ConnectOptions, connect, openSession, passOn, type Session } from "./session.ts";

/** Copies a file or folder to the workstation or from there. */
export async function cp(from: string, to: string, options: ConnectOptions): Promise<number> {
  const copy = readCopy(from, to);
  const source = copy.direction === "up" ? await kindOf(copy.local) : undefined;
  if (copy.direction === "up" && !source) throw new UserError(`There is no ${copy.local} on this computer.`);
  const session = await openSession(options, "commands");
  if (!session) return Number(process.exitCode);
  const stage = stageOf(randomBytes(8).toString("hex"));
  const where = source ? await up(session, copy, stage, source === "folder") : await down(session, copy, stage);
  if (options.json) printJson({ from, to: where });
  else console.log(where);
  return 0;
}

async function up(session: Session, copy: Copy, stage: string, isFolder: boolean): Promise<string> {
  const local = resolve(copy.local);
  await scp(session, "up", { local, remote: stage, isFolder }, copy.local);
  const said = await line(session, takeLine(stage, copy, basename(local), isFolder), `Putting ${copy.local} there`);
  return `:${answerIn(said) ?? copy.remote}`;
}

async function down(session: Session, copy: Copy, stage: string): Promise<string> {
  const { target } = session;
  const kind = answerIn(await line(session, giveLine(stage, copy), `Reading ${copy.remote}`));
  if (kind === "none") throw new UserError(`There is no ${copy.remote} on ${target.name} that its user ml can see.`);
  const isFolder = kind === "folder";
  const final = await placeFor(copy);
  const arriving = join(dirname(final), `.${basename(stage)}`);
  try {
    await makeFolder(dirname(final));
    await scp(session, "down", { local: arriving, remote: stage, isFolder }, `:${copy.remote}`);
    await settle(arriving, final);
  } catch (error) {
    throw fileError(error, `Writing ${final}`);
  } finally {
    await rm(arriving, { recursive: true, force: true });
    await line(session, cleanLine(stage), "Cleaning up");
  }
  return final;
}

/** Into LOCAL if that is a folder, else as LOCAL; a folder of the same name is laid over what is there. */
async function placeFor({ local, remote }: Copy): Promise<string> {
  const name = basename(remote.replace(/\/+$/, "")) || "files";
  const path = resolve(local);
  const isInto = /[\\/]$/.test(local) || ((await kindOf(local)) === "folder" && basename(path) !== name);
  // `.` and `..` are no names.
  const own = name === "." || name === ".." ? "ml" : name;
  return isInto ? join(path, own) : path;
}

async function settle(arriving: string, final: string): Promise<void> {
  const there = await kindOf(final);
  if (!there) return rename(arriving, final);
  if (there === "folder" && (await kindOf(arriving)) !== "folder") {
    throw new UserError(`${final} is a folder, and what comes is a file. Name another place.`);
  }
  await copyFiles(arriving, final, { recursive: true, force: true, verbatimSymlinks: true });
}

async function scp(
  { program, target }: Session,
  direction: "up" | "down",
  what: { local: string; remote: string; isFolder: boolean },
  shown: string,
): Promise<void> {
  const running = connect(program, copyArguments(target, direction, what), {
    stdin: "inherit",
    // scp's progress needs the terminal; with a pipe there is none.
    stdout: process.stdout.isTTY ? "inherit" : passOn,
    stderr: passOn,
  });
  const { code, said } = await running.ended;
  if (code === 128 + 2) throw new UserError("Stopped; what had come so far is not used.", EXIT.interrupted);
  if (code !== 0) throw gcloudFailed(`Copying ${shown}`, code, said, target);
}

async function line({ program, target }: Session, script: string, doing: string): Promise<string> {
  let output = "";
  const running = connect(program, scriptArguments(target, script), {
    stdin: "none",
    stdout: (data) => {
      output += data.toString("utf8");
    },
    stderr: passOn,
  });
  const { code, said } = await running.ended;
  if (code === 0) return output;
  const refusal = /^(?:mlt-cp|sh|tar|cat|mkdir|chmod): (.*(?:denied|No space|No such|exists|directory).*)$/m.exec(
    said,
  )?.[1];
  if (refusal) throw new UserError(`${doing} is not possible on ${target.name}: ${plain(refusal)}`);
  throw gcloudFailed(doing, code, said, target);
}

async function kindOf(path: string): Promise<"file" | "folder" | undefined> {
  const info = await stat(path).catch(() => undefined);
  return info && (info.isDirectory() ? "folder" : "file");
}
