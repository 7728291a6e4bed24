import { EXIT, UserError } from "../../training/errors.ts";
import { targetOf } from "../../workstation/environment.ts";
import {
  type Exec,
  listExecs,
  readEnd,
  readExecLog,
  recordIn,
  resolveExec,
  startLine,
} from "../../workstation/exec.ts";
import { followExec } from "../../workstation/follow.ts";
import { findGcloud } from "../../workstation/gcloud.ts";
import { shownLine } from "../../workstation/quote.ts";
import { scriptArguments } from "../../workstation/ssh.ts";
import { lookAt } from "../../workstation/wait.ts";
import { gcloudFailed } from "../../workstation/words.ts";
import { environmentFor } from "../context.ts";
import { interruptible } from "../interrupt.ts";
import { duration, plain, printJson, table } from "../output/print.ts";
import { type ConnectOptions, connect, openSession, passOn, type Session, say } from "./session.ts";

export interface ExecOptions extends ConnectOptions {
  follow?: boolean;
  cwd?: string;
  limit: number;
}

/** `exec -- COMMAND`, `exec list`, `exec logs ID`, `exec stop ID`. */
export async function exec(
  action: string | undefined,
  id: string | undefined,
  command: readonly string[],
  options: ExecOptions,
): Promise<number> {
  if (command.length > 0) {
    if (action !== undefined) {
      throw new UserError(
        `What is to run stands after --, all of it: mlt exec -- ${shownLine([action, ...(id ? [id] : []), ...command])}`,
      );
    }
    return start(command, options);
  }
  if (action === "list") return list(options);
  if (action === "logs" && id !== undefined) return logs(id, options);
  if (action === "stop" && id !== undefined) return stop(id, options);
  if (action === "logs" || action === "stop") {
    throw new UserError(`mlt exec ${action} takes the id of a command, or latest. mlt exec list shows them.`);
  }
  const meant = action === undefined ? "COMMAND" : shownLine([action, ...(id ? [id] : [])]);
  throw new UserError(`What is to run in the background stands after --: mlt exec -- ${meant}`);
}

async function start(command: readonly string[], options: ExecOptions): Promise<number> {
  const line = startLine(command, options.cwd);
  const session = await openSession(options, "commands");
  if (!session) return Number(process.exitCode);
  const { target } = session;
  const { code, said, output } = await run(session, line);
  const record = recordIn(output);
  if (code !== 0 || !record) {
    const refusal = /^mlt-exec: (there is no folder .*)$/m.exec(said)?.[1];
    if (refusal) throw new UserError(`${target.name}: ${plain(refusal)}`);
    throw gcloudFailed("Starting the command", code, said, target);
  }
  if (!options.follow) {
    if (options.json) printJson(record);
    else console.log(record.id);
    say(`runs on ${target.name}, whatever becomes of this connection. Follow it: mlt exec logs ${record.id} --follow`);
    return 0;
  }
  say(`${record.id} runs on ${target.name}, whatever becomes of this connection`);
  const ended = await follow(session, record.id, options);
  if (options.json) printJson({ ...record, exitCode: ended });
  return ended;
}

async function follow(session: Session, id: string, options: ExecOptions): Promise<number> {
  const ended = await interruptible((signal) =>
    followExec(session.environment, session.program, id, {
      signal,
      // Nothing but one value goes to standard output with --json.
      output: (data) => void (options.json ? process.stderr : process.stdout).write(data),
      say: passOn,
      progress: say,
    }),
  );
  if (ended === EXIT.interrupted) say(`stopped following; ${id} goes on. Follow it: mlt exec logs ${id} --follow`);
  return ended;
}

/** One line of ours on the machine. */
async function run(
  { program, target }: Session,
  line: string,
): Promise<{ code: number; said: string; output: string }> {
  let output = "";
  const running = connect(program, scriptArguments(target, line), {
    stdin: "none",
    stdout: (data) => {
      output += data.toString("utf8");
    },
    stderr: passOn,
  });
  return { ...(await running.ended), output };
}

async function list(options: ExecOptions): Promise<number> {
  const environment = await environmentFor(options);
  targetOf(environment);
  const { execs, more } = await listExecs(environment, await lookAt(environment), options.limit);
  if (options.json) {
    printJson(execs);
    return 0;
  }
  if (execs.length === 0) {
    console.log("No command has run in the background here. `mlt exec -- COMMAND` starts one.");
    return 0;
  }
  const now = Date.now();
  const rows = execs.map((one) => [
    one.id,
    stateOf(one),
    duration((one.endedAt ? Date.parse(one.endedAt) : now) - Date.parse(one.startedAt)),
    plain(one.by),
    plain(shownLine(one.command)),
  ]);
  console.log(table(["ID", "STATE", "TIME", "BY", "COMMAND"], rows));
  if (more > 0) console.error(`mlt: ${more} older ones are not shown; --limit shows more`);
  return 0;
}

function stateOf({ state, exitCode, reason }: Exec): string {
  if (state !== "ended") return state;
  if (exitCode === null || exitCode === undefined) return plain(reason ?? "ended from outside");
  return exitCode === 0 ? "done" : `exit ${exitCode}`;
}

async function logs(asked: string, options: ExecOptions): Promise<number> {
  const environment = await environmentFor(options);
  targetOf(environment);
  const id = await resolveExec(environment, asked);
  const end = await readEnd(environment, id);
  if (options.follow && !end) {
    const condition = await lookAt(environment);
    if (["ready", "failed", "starting", "silent"].includes(condition.state)) {
      return follow({ environment, program: findGcloud(), target: targetOf(environment) }, id, options);
    }
    say(`${targetOf(environment).name} is ${condition.state}: this is what it had sent of ${id}`);
  }
  const log = await readExecLog(environment, id);
  if (options.json) {
    printJson({ id, ended: end !== undefined, exitCode: end?.exitCode ?? null, log: log.toString("utf8") });
    return 0;
  }
  process.stdout.write(log);
  if (log.length === 0) say(end ? `${id} has said nothing` : `${id} has sent no log yet; it comes within 5 s`);
  return options.follow ? (end ? (end.exitCode ?? EXIT.lost) : EXIT.lost) : 0;
}

async function stop(asked: string, options: ExecOptions): Promise<number> {
  const environment = await environmentFor(options);
  const target = targetOf(environment);
  const id = await resolveExec(environment, asked);
  const session = { environment, program: findGcloud(), target };
  const { code, said } = await run(session, `mlt-exec stop ${id}`);
  if (code !== 0) throw gcloudFailed(`Ending ${id}`, code, said, target);
  if (options.json) printJson({ id, stopped: true });
  else console.log(`${id} was ended.`);
  return 0;
}
