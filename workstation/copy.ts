// Files to and from the workstation. scp works as the person who connects, but notebooks, packages and all that runs
// there belong to the user ml; so files pass through a folder of the person's own, and `ml` takes or gives them. By that
// detour names with any character arrive, whichever way the scp on this computer reads remote paths.

import { UserError } from "../training/errors.ts";
import { quoted } from "./quote.ts";

export const HOME = "/home/ml";
const AS_ML = "sudo -n -u ml";

export interface Copy {
  direction: "up" | "down";
  /** As it was typed. */
  local: string;
  /** Absolute, or relative to `/home/ml`. */
  remote: string;
}

/** Which of two words is on the machine: the one that begins with a colon. */
export function readCopy(from: string, to: string): Copy {
  const isRemote = (word: string) => word.startsWith(":");
  if (isRemote(from) === isRemote(to)) {
    throw new UserError(
      `One side is on this computer, the other on the workstation, with a colon in front: mlt cp data :work/ (or mlt cp :work/model.bin .); got ${from} and ${to}. Between buckets and this computer: mlt put, mlt fetch`,
    );
  }
  const remote = (isRemote(from) ? from : to).slice(1).replace(/^~\//, "").replace(/^~$/, ".") || ".";
  if (remote.startsWith("~")) {
    throw new UserError(
      `The workstation's files are those of its user ml; ${remote} is another user's. Name a path below ${HOME}, or an absolute one.`,
    );
  }
  return isRemote(from) ? { direction: "down", local: to, remote } : { direction: "up", local: from, remote };
}

/** Where files rest on the machine between the two steps; random, so that nobody else can have put something there. */
export function stageOf(random: string): string {
  return `/tmp/mlt-cp-${random}`;
}

/**
 * Takes what scp has brought: into REMOTE if that is a folder or ends in /, else as REMOTE. A folder whose own name
 * REMOTE ends with is laid over what is there, so that the same command twice does the same. Says where it put it.
 */
export function takeLine(stage: string, { remote }: Copy, base: string, isFolder: boolean): string {
  const isSame = isFolder && remote.split("/").at(-1) === base;
  const decide = [
    `t=$1; case $t in */) mkdir -p -- "$t" ;; esac`,
    ...(isSame ? [] : [`if [ -d "$t" ]; then t=\${t%/}/$2; fi`]),
  ].join("; ");
  const give = isFolder
    ? `mkdir -p -- "$t" && tar -xf - --no-same-owner -C "$t"`
    : `mkdir -p -- "$(dirname -- "$t")" && cat >"$t" && { [ -z "$3" ] || chmod +x -- "$t"; }`;
  const script = `cd ${HOME} && ${decide}; ${give} && echo "mlt-cp $t"`;
  const send = isFolder ? `tar -cf - -C ${stage} .` : `cat ${stage}`;
  const words = [quoted(remote), quoted(base)];
  // Who owns it is ml in any case; that it can be executed is kept.
  if (!isFolder) words.push(`"$(test ! -x ${stage} || echo x)"`);
  return `trap 'rm -rf ${stage}' EXIT; ${send} | ${AS_ML} sh -c ${quoted(script)} mlt-cp ${words.join(" ")}`;
}

/** Lays REMOTE out for scp to fetch; says whether it is a folder, and its name. */
export function giveLine(stage: string, { remote }: Copy): string {
  const look = `cd ${HOME} && if [ -d "$1" ]; then echo folder; elif [ -e "$1" ]; then echo file; else echo none; fi`;
  const folder = `cd ${HOME} && tar -cf - -C "$1" .`;
  const file = `cd ${HOME} && cat -- "$1"`;
  const word = quoted(remote);
  const run = (script: string) => `${AS_ML} sh -c ${quoted(script)} mlt-cp ${word}`;
  return [
    `umask 077; k=$(${run(look)}) && echo "mlt-cp $k" && case $k in`,
    `folder) mkdir ${stage} && ${run(folder)} | tar -xf - -C ${stage} ;;`,
    `file) ${run(file)} >${stage} ;;`,
    "esac",
  ].join(" ");
}

export function cleanLine(stage: string): string {
  return `rm -rf ${stage}`;
}

/** What follows the mark in what the machine printed. */
export function answerIn(output: string): string | undefined {
  return /^mlt-cp (.*)$/m.exec(output)?.[1];
}
