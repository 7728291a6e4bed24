// Keeps one guest that consists of processes only, and ends with it. Standard input is the power supply and the button:
// a line "power" presses it, the end of input (also: the death of who holds the other end) cuts it off.
// Arguments: MARK PROGRAM ARGUMENT …; MARK is a variable that every process of the guest inherits.
import { spawn, spawnSync } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";

const [mark, program, ...args] = process.argv.slice(2);
let isCut = false;

// A session of its own: the terminal's Ctrl-C is meant for the command, not for the machine.
const machine = spawn(program, args, {
  detached: true,
  env: { ...process.env, [mark]: "1" },
  stdio: ["ignore", "inherit", "inherit"],
});
machine.on("error", (error) => {
  console.error(error.message);
  process.exit(127);
});
// The machine is off when its first process ends: nothing it left behind goes on.
machine.on("exit", (code, signal) => {
  endAll();
  process.exit(code ?? (signal === "SIGTERM" ? 143 : 137));
});

let rest = "";
process.stdin.setEncoding("utf8");
process.stdin.on("data", (chunk) => {
  const lines = (rest + chunk).split("\n");
  rest = lines.pop();
  if (lines.includes("power")) signal(machine.pid, "SIGTERM");
});
process.stdin.on("end", cut);
process.stdin.on("error", cut);
for (const name of ["SIGTERM", "SIGINT", "SIGHUP"]) process.on(name, cut);

function cut() {
  isCut = true;
  endAll();
}

// Repeated until nothing is left: a process may start another while the list is read.
function endAll() {
  signal(-machine.pid, "SIGKILL");
  for (let round = 0; round < 20; round += 1) {
    const left = guestProcesses();
    if (left.length === 0) break;
    for (const pid of left) signal(pid, "SIGKILL");
  }
  if (isCut) signal(machine.pid, "SIGKILL");
}

function signal(pid, name) {
  try {
    process.kill(pid, name);
  } catch (error) {
    if (error.code !== "ESRCH" && error.code !== "EPERM") throw error;
  }
}

// By the mark where /proc shows it (it survives setsid and double forks), else by descent.
function guestProcesses() {
  return process.platform === "linux" ? markedProcesses() : descendants();
}

function markedProcesses() {
  const found = [];
  for (const name of readdirSync("/proc")) {
    if (!/^\d+$/.test(name) || Number(name) === process.pid) continue;
    try {
      const state = /^State:\s+(\S)/m.exec(readFileSync(`/proc/${name}/status`, "latin1"))?.[1];
      if (state === "Z" || state === "X") continue;
      const variables = readFileSync(`/proc/${name}/environ`, "latin1").split("\0");
      if (variables.includes(`${mark}=1`)) found.push(Number(name));
    } catch {
      // It ended meanwhile, or belongs to someone else.
    }
  }
  return found;
}

function descendants() {
  const { stdout } = spawnSync("ps", ["-axo", "pid=,ppid=,pgid=,stat="], { encoding: "utf8" });
  const rows = (stdout ?? "")
    .trim()
    .split("\n")
    .map((line) => line.trim().split(/\s+/));
  const family = new Set([machine.pid]);
  for (let size = 0; size !== family.size; ) {
    size = family.size;
    for (const [pid, parent, group] of rows) {
      if (family.has(Number(parent)) || Number(group) === machine.pid) family.add(Number(pid));
    }
  }
  const alive = new Set(rows.filter(([, , , stat]) => !stat?.startsWith("Z")).map(([pid]) => Number(pid)));
  return [...family].filter((pid) => alive.has(pid));
}
