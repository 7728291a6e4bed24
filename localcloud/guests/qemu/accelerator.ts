import { accessSync, constants, existsSync, readFileSync } from "node:fs";
import { run } from "../command.ts";
import { machineImage } from "./image.ts";

const PROBE_MS = 10_000;
let known: Promise<string[]> | undefined;

/**
 * `kvm` where it works, else QEMU's own translator. That `/dev/kvm` exists says nothing: under some hypervisors a guest
 * started with it hangs. So the processor has to offer it, and a kernel has to boot with it within a time limit.
 */
export function accelerator(): Promise<string[]> {
  known ??= kvmWorks().then((works) =>
    works ? ["-accel", "kvm", "-cpu", "host"] : ["-accel", "tcg,thread=multi", "-cpu", "max"],
  );
  return known;
}

async function kvmWorks(): Promise<boolean> {
  return kvmIsOffered() && (await kernelBoots());
}

export function kvmIsOffered(root = "/"): boolean {
  try {
    accessSync(`${root}dev/kvm`, constants.R_OK | constants.W_OK);
  } catch {
    return false;
  }
  if (existsSync(`${root}sys/module/kvm_pvm`)) return false;
  return /^flags\s*:.* (vmx|svm)( |$)/m.test(readFileSync(`${root}proc/cpuinfo`, "utf8"));
}

/** A kernel without a root file system stops with a panic, and QEMU then ends: both only if instructions are run. */
async function kernelBoots(): Promise<boolean> {
  const machine = ["-accel", "kvm", "-cpu", "host", "-m", "256M", "-nodefaults", "-no-user-config", "-no-reboot"];
  const kernel = ["-kernel", machineImage().kernel, "-append", "root=/dev/none panic=-1 quiet", "-display", "none"];
  const { code } = await run("qemu-system-x86_64", [...machine, ...kernel], { timeoutMs: PROBE_MS });
  return code === 0;
}
