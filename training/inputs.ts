import type { OpenEnvironment } from "./environment.ts";
import { Denied, Problems } from "./errors.ts";

/** How a package names what lies in the course's shared bucket. */
export const COURSE = "course://";

interface Wanted {
  /** As the package has it, without the question mark. */
  name: string;
  optional: boolean;
  bucket: string;
  /** The object, or what all below the folder begin with. */
  prefix: string;
  /** As spec.json has it: `census`, or `gs://BUCKET/census` for what is not in the data bucket. */
  spec: string;
  /** Below `$DATA_DIR`. */
  target: string;
}

/**
 * The inputs of training.yaml as spec.json has them: those that are there. One that must be there and is not is a
 * problem; one that need not be is told. `course://NAME` becomes the shared bucket's `gs://BUCKET/NAME`.
 * @throws {Problems} every input that cannot be had
 */
export async function resolveInputs(
  environment: OpenEnvironment,
  inputs: readonly string[],
  progress: ((line: string) => void) | undefined,
): Promise<string[]> {
  const problems: string[] = [];
  const wanted = inputs.flatMap((input) => {
    const found = wantedOf(environment, input);
    if (typeof found !== "string") return [found];
    problems.push(found);
    return [];
  });
  for (const { name, target } of wanted) {
    const other = wanted.find((each) => each.target === target && each.name !== name);
    // Told once, at the one that is not the data bucket's.
    if (other && name.startsWith(COURSE)) {
      problems.push(`inputs ${other.name} and ${name} would both be $DATA_DIR/${target}; rename one of them`);
    }
  }
  const there = await Promise.all(wanted.map((each) => exists(environment, each, progress)));
  const missing = wanted.filter((_, index) => !there[index]);
  for (const { name, optional, bucket, prefix } of missing) {
    const how = name.startsWith(COURSE)
      ? "the course's instructors upload it (mlt course put)"
      : `upload it: mlt put DIR input/${name}`;
    if (!optional) problems.push(`gs://${bucket}/${prefix} does not exist (inputs in training.yaml); ${how}`);
  }
  if (problems.length > 0) throw new Problems("The run cannot be started", problems);
  for (const { name } of missing) progress?.(`input ${name} is not in the bucket; the package goes on without it`);
  return wanted.filter((each) => !missing.includes(each)).map(({ spec }) => spec);
}

/** Where an input is, or why it can be nowhere. */
function wantedOf({ environment, buckets, course }: OpenEnvironment, input: string): Wanted | string {
  const optional = input.endsWith("?");
  const name = input.replace(/\?$/, "");
  if (!name.startsWith(COURSE)) {
    return { name, optional, bucket: buckets.data, prefix: `input/${name}`, spec: name, target: name };
  }
  if (!course) {
    return `input ${name}: the environment ${environment} is in no course with shared data; upload it into the environment's own bucket (mlt put DIR input/NAME) and name it NAME`;
  }
  const target = name.slice(COURSE.length);
  const spec = `${course.dataBucketUrl}/${target}`;
  return { name, optional, bucket: course.dataBucketUrl.slice("gs://".length), prefix: target, spec, target };
}

async function exists(
  { objects }: OpenEnvironment,
  { name, bucket, prefix }: Wanted,
  progress: ((line: string) => void) | undefined,
): Promise<boolean> {
  try {
    const { objects: found } = await objects.list(bucket, { prefix, limit: 20 });
    return found.some((object) => object.name === prefix || object.name.startsWith(`${prefix}/`));
  } catch (error) {
    // A student's machines read the shared bucket; the student's own login need not.
    if (!name.startsWith(COURSE) || !(error instanceof Denied)) throw error;
    progress?.(`input ${name} cannot be seen with this login; the machine looks for it`);
    return true;
  }
}
