import type { OpenEnvironment } from "../training/environment.ts";
import { EXIT, pausing } from "../training/errors.ts";
import { targetOf } from "./environment.ts";
import { readEnd } from "./exec.ts";
import { type Program, startGcloud } from "./gcloud.ts";
import { Machine } from "./machine.ts";
import { scriptArguments } from "./ssh.ts";
import { lookAt } from "./wait.ts";
import { gcloudFailed, isConnectionLost } from "./words.ts";

export interface FollowOptions {
  output: (data: Buffer) => void;
  /** What gcloud and ssh say. */
  say: (data: Buffer) => void;
  /** A line of our own. */
  progress: (line: string) => void;
  /** Ends the following; the command goes on. */
  signal?: AbortSignal;
  sleep?: (milliseconds: number) => Promise<void>;
  machine?: Machine;
}

/** What the machine ends with when it knows no such command. */
const UNKNOWN = 66;
/** A connection that ends within this, without a word of the command, was none. */
const NEVER_MS = 60_000;

/**
 * Prints a command's log as it grows, until it ends, across broken connections.
 * @returns its own exit code; 75 if it has none (it was ended from outside, or its machine went away); 130 if the
 * following was ended
 */
export async function followExec(
  environment: OpenEnvironment,
  program: Program,
  id: string,
  options: FollowOptions,
): Promise<number> {
  const { sleep = pausing, signal } = options;
  const target = targetOf(environment);
  const machine = options.machine ?? new Machine(target, sleep);
  let printed = 0;
  for (let pause = 1000; ; pause = Math.min(pause * 2, 30_000)) {
    // A new connection begins at the log's beginning.
    let skipped = 0;
    const began = Date.now();
    const running = startGcloud(program, scriptArguments(target, `mlt-exec log ${id} --follow`), {
      stdin: "none",
      stdout: (data) => {
        const fresh = data.subarray(Math.min(data.length, Math.max(0, printed - skipped)));
        skipped += data.length;
        if (fresh.length === 0) return;
        printed += fresh.length;
        options.output(fresh);
      },
      stderr: (data) => !signal?.aborted && options.say(data),
    });
    const leave = () => void running.end(0);
    signal?.addEventListener("abort", leave);
    const { code, said } = await running.ended;
    signal?.removeEventListener("abort", leave);
    if (signal?.aborted) return EXIT.interrupted;
    // What the machine wrote down counts: ssh has one exit code for its own failures, which commands may have, too.
    const end = await readEnd(environment, id);
    if (end) {
      if (end.exitCode === null)
        options.progress(`${id} has no exit code: ${end.reason ?? "it was ended from outside"}`);
      return end.exitCode ?? EXIT.lost;
    }
    if (!isConnectionLost(code)) {
      if (code === UNKNOWN) throw gcloudFailed(`Following ${id}`, code, said, target);
      // The command has ended, and its machine could not write that to the bucket.
      return code;
    }
    if (printed === 0 && Date.now() - began < NEVER_MS) {
      // It never came about: whatever stands in the way stands there still.
      throw gcloudFailed(`Following ${id}`, code, said, target);
    }
    const condition = await lookAt(environment, machine);
    if (condition.state === "stopped" || condition.state === "stopping" || condition.state === "gone") {
      options.progress(`${target.name} is ${condition.state}; ${id} has no exit code`);
      return EXIT.lost;
    }
    options.progress(`the connection broke; ${id} goes on, and is followed again`);
    await sleep(pause);
  }
}
