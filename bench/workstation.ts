import { nspawnDriver } from "../localcloud/guests/nspawn/driver.ts";
import { Workstation, type WorkstationOptions } from "../tests/e2e/workstationMachine.ts";
import { median, type Row } from "./measure.ts";

const TICKS = 10;
const TICK_SECONDS = 60;

/** A workstation in a real guest: boot to JupyterLab answering, a folder of 1,000 objects, what the heartbeat costs. */
export async function workstationRows(progress: (line: string) => void): Promise<Row[]> {
  const obstacle = (await nspawnDriver().unavailable())?.reason;
  if (obstacle) return [{ measure: "workstation", value: "-", target: "-", note: `not measured: ${obstacle}` }];
  const plain = await withMachine("plain", progress, (_machine, seconds) =>
    Promise.resolve([boot("plain", seconds, 90)]),
  );
  const prepared = await withMachine("prepared", progress, async (machine, seconds) => [
    boot("prepared", seconds, 15),
    await listing(machine),
    await heartbeat(machine),
  ]);
  return [...prepared, ...plain];
}

async function withMachine(
  image: WorkstationOptions["image"],
  progress: (line: string) => void,
  measure: (machine: Workstation, seconds: number) => Promise<Row[]>,
): Promise<Row[]> {
  const machine = await Workstation.make({ image }, progress);
  try {
    progress(`a workstation from a ${image} image`);
    const started = performance.now();
    await machine.boot();
    const answers = "curl -sf -m 2 -o /dev/null http://127.0.0.1:8888/api";
    await machine.waitFor(
      async () => (await machine.tryInside(answers)).code === 0 || undefined,
      () => "JupyterLab to answer",
    );
    const seconds = (performance.now() - started) / 1000;
    await machine.until(({ phase, mount }) => phase === "ready" && mount === "mounted");
    return await measure(machine, seconds);
  } finally {
    await machine.close();
  }
}

function boot(image: string, seconds: number, target: number): Row {
  return {
    measure: `workstation, boot to JupyterLab answering, ${image} image`,
    value: `${seconds.toFixed(1)} s`,
    target: `< ${target} s`,
    met: seconds < target,
    note: "guest nspawn",
  };
}

/** The first listing after the mount, by the real gcsfuse: nothing of it is cached. */
async function listing(machine: Workstation): Promise<Row> {
  const names = Array.from({ length: 1000 }, (_, index) => `input/many/${String(index).padStart(4, "0")}`);
  for (let at = 0; at < names.length; at += 50) {
    await Promise.all(names.slice(at, at + 50).map((name) => machine.write(name, "x")));
  }
  const script = "s=$(date +%s%N); ls -l /mnt/bucket/input/many >/dev/null; echo $((($(date +%s%N) - s) / 1000))";
  const seconds = Number(await machine.inside(script)) / 1e6;
  return {
    measure: "workstation, first listing of 1,000 files",
    value: `${seconds.toFixed(2)} s`,
    target: "< 1 s",
    met: seconds < 1,
    note: "ls -l in the mount",
  };
}

async function heartbeat(machine: Workstation): Promise<Row> {
  const tick = "cd /opt/ml-training; TIMEFORMAT='%U %S'; time python3 -m workstation tick";
  const used: number[] = [];
  for (let turn = 0; turn < TICKS; turn += 1) {
    const [user = 0, system = 0] = (await machine.inside(tick)).trim().split(/\s+/).slice(-2).map(Number);
    used.push(user + system);
  }
  const percent = (100 * median(used)) / TICK_SECONDS;
  return {
    measure: "workstation, heartbeat and idle decision",
    value: `${percent.toFixed(2)} % of a core`,
    target: "< 0.5 %",
    met: percent < 0.5,
    note: `${(1000 * median(used)).toFixed(0)} ms once a minute, with what it asks systemd`,
  };
}
