import {
  FAMILIES,
  findMachineType,
  GPU_MACHINE_TYPES,
  type MachineShape,
  predefinedTypes,
} from "../catalog/machineTypes.ts";
import { distance } from "../training/nearest.ts";

/** What is known about a machine type: nothing wrong, a doubt, or an impossibility. */
export interface MachineTypeCheck {
  /** Absent for a type that the catalog does not know. */
  shape?: MachineShape;
  problems: string[];
  warnings: string[];
}

const NAME = /^[a-z][a-z0-9]*(-[a-z0-9]+)+$/;

/**
 * Judges a machine type by the catalog alone. A family that the catalog does not hold may be newer than it: a warning.
 * A size that a known family cannot have is a problem, told with the nearest that it can.
 */
export function checkMachineType(name: string): MachineTypeCheck {
  if (!NAME.test(name)) {
    return fail(
      `must be the name of a machine type such as e2-standard-4 or n2-custom-8-16384; got ${JSON.stringify(name)}`,
    );
  }
  const custom = /^(?:([a-z]\d+[a-z]*)-)?custom-(\d+)-(\d+)(-ext)?$/.exec(name);
  if (custom) return checkCustom(name, custom[1] ?? "n1", Number(custom[2]), Number(custom[3]), Boolean(custom[4]));

  const shape = findMachineType(name);
  if (shape) {
    if (GPU_MACHINE_TYPES[name]?.reservedOnly) {
      return fail(
        `${name} is sold by reservation only and cannot be started on demand or as Spot; take a3-highgpu-1g or a2-ultragpu-1g`,
      );
    }
    return { shape, problems: [], warnings: [] };
  }
  const family = name.split("-")[0] ?? "";
  const known = predefinedTypes().filter((type) => type.startsWith(`${family}-`));
  if (known.length === 0) {
    const meant = nearestTypes(name, predefinedTypes(), 1)[0];
    const near = meant && distance(name, meant) <= 2 ? `; did you mean ${meant}?` : "";
    return {
      problems: [],
      warnings: [`${name} is not in this program's catalog: it may be newer, and is passed on unchecked${near}`],
    };
  }
  return fail(`there is no machine type ${name}; the nearest are ${nearestTypes(name, known, 3).join(", ")}`);
}

function checkCustom(name: string, family: string, vcpus: number, mib: number, extended: boolean): MachineTypeCheck {
  const known = FAMILIES[family];
  if (!known) {
    return {
      problems: [],
      warnings: [`${name} is not in this program's catalog: it may be newer, and is passed on unchecked`],
    };
  }
  const sizes = known.custom;
  if (!sizes) {
    const families = Object.keys(FAMILIES).filter((word) => FAMILIES[word]?.custom);
    return fail(`${family} machines have no custom sizes (${name}); those of ${families.join(", ")} have`);
  }
  const problems: string[] = [];
  const nearestVcpus = legalVcpus(family).reduce((a, b) => (Math.abs(b - vcpus) < Math.abs(a - vcpus) ? b : a));
  if (nearestVcpus !== vcpus) {
    problems.push(`${name}: ${family} machines cannot have ${vcpus} vCPUs; the nearest number is ${nearestVcpus}`);
  }
  if (mib % 256 !== 0) {
    problems.push(
      `${name}: custom memory comes in multiples of 256 MiB; the nearest is ${Math.max(256, Math.round(mib / 256) * 256)}`,
    );
  }
  if (extended && sizes.extendedMemory === undefined) {
    problems.push(`${name}: ${family} machines have no extended memory; leave -ext away`);
  }
  if (problems.length > 0) return { problems, warnings: [] };

  const least = Math.ceil((sizes.minMemory * vcpus * 1024) / 256) * 256;
  const most =
    Math.floor(
      Math.min(
        extended ? (sizes.extendedMemory ?? 0) : sizes.maxMemory * vcpus,
        extended ? Infinity : sizes.totalMemory,
      ) * 4,
    ) * 256;
  if (mib < least) problems.push(`${name}: ${vcpus} vCPUs of ${family} need at least ${least} MiB; got ${mib}`);
  if (mib > most) {
    const ext = !extended && sizes.extendedMemory ? `, or add -ext for up to ${sizes.extendedMemory * 1024} MiB` : "";
    problems.push(`${name}: ${vcpus} vCPUs of ${family} take at most ${most} MiB${ext}; got ${mib}`);
  }
  return problems.length > 0 ? { problems, warnings: [] } : { shape: findMachineType(name), problems, warnings: [] };
}

/** The vCPU counts that a family's custom machines may have. */
export function legalVcpus(family: string): number[] {
  const sizes = FAMILIES[family]?.custom;
  if (!sizes) return [];
  const counts = sizes.one ? [1] : [];
  for (let count = sizes.step; count <= sizes.maxVcpus; count += sizes.step) {
    if (!sizes.coarser || count <= sizes.coarser.until || count % sizes.coarser.step === 0) counts.push(count);
  }
  // Of the N2D's and N2's small sizes only powers of two and even numbers exist; the step covers both.
  return family === "n2d" ? counts.filter((count) => count > 16 || [2, 4, 8, 16].includes(count)) : counts;
}

/** The names nearest to what was asked for: same word first, then by edits, then by size. */
export function nearestTypes(name: string, known: readonly string[], count: number): string[] {
  const [, series, size] = name.split("-");
  const score = (type: string): number => {
    const [, word, vcpus] = type.split("-");
    const wanted = Number.parseInt(size ?? "", 10);
    const have = Number.parseInt(vcpus ?? "", 10);
    const apart = Number.isNaN(wanted) || Number.isNaN(have) ? 3 : Math.abs(Math.log2(have / Math.max(wanted, 0.5)));
    return distance(series ?? "", word ?? "") * 2 + apart + distance(name, type) / 100;
  };
  return [...known].sort((a, b) => score(a) - score(b)).slice(0, count);
}

function fail(problem: string): MachineTypeCheck {
  return { problems: [problem], warnings: [] };
}
