import { isMap, LineCounter, parseDocument } from "yaml";
import { z } from "zod";
import { quotable } from "../training/files.ts";
import { words } from "../training/manifest.ts";
import { nearest } from "../training/nearest.ts";

/** `image.yaml`, read. */
export interface ImageManifest {
  /** The image or family to build on: a family of the catalog, or `projects/P/global/images/[family/]NAME`. */
  base: string;
  /** Debian packages, each `name` or `name=version`. */
  apt: string[];
  /** The oldest Python that will do, as in training.yaml. */
  python?: string;
  /** Scripts that run as root after packages and requirements, in this order. */
  steps: { file: string; sha256: string }[];
  /** Program and arguments, run without a shell on a fresh machine that booted from the image. */
  smokeTest: string[];
  /** Minutes that the smoke test may take. */
  smokeTestMinutes: number;
  description?: string;
}

const PYTHON = 'must be a version of Python in quotes, such as "3.11"';
const APT = /^[a-z0-9][a-z0-9+.-]+(=[A-Za-z0-9.+~:-]+)?$/;
const COMMAND = "must be a command line, or a list of program and arguments";

const command = z
  .union([z.string(), z.array(z.string())], COMMAND)
  .transform((value) => (typeof value === "string" ? words(value) : value))
  .refine((list) => list.length > 0 && list[0]?.trim() !== "", "must name a program");

const SCHEMA = z.strictObject({
  description: z.string("must be text").max(500, "must have at most 500 characters").optional(),
  base: z.string("must be an image or a family, such as ubuntu-2404-lts-amd64").min(1, "must not be empty"),
  apt: z
    .array(z.string("must be text").regex(APT, "must be the name of a Debian package, with =VERSION if you like"), {
      error: "must be a list of Debian packages",
    })
    .max(500, "must hold at most 500 packages")
    .default([]),
  python: z
    .string(PYTHON)
    .refine((value) => /^3\.\d{1,2}$/.test(value), PYTHON)
    .optional(),
  steps: z
    .array(
      z.strictObject({
        file: z.string("must be the path of a script in the recipe's folder"),
        sha256: z
          .string("must be the script's SHA-256, in quotes")
          .regex(/^[0-9a-f]{64}$/, "must be 64 hexadecimal digits"),
      }),
      "must be a list of {file, sha256}",
    )
    .max(100, "must hold at most 100 steps")
    .default([]),
  smokeTest: command,
  smokeTestMinutes: z
    .number("must be a number of minutes, without quotes")
    .positive("must be over 0")
    .max(60, "must be at most 60")
    .default(5),
});

export const KEYS = Object.keys(SCHEMA.shape);

const MISSING: Record<string, string> = {
  base: "`base` is missing: the image or family to build on, such as ubuntu-2404-lts-amd64",
  smokeTest:
    "`smokeTest` is missing: the command that proves on a fresh machine that the image is good, such as [python, smoke.py]. Without one nothing would keep a broken image out of the family",
};

/** The schema that editors load for image.yaml. */
export function imageJsonSchema(): unknown {
  return z.toJSONSchema(SCHEMA, { io: "input" });
}

/** Reads image.yaml: the manifest, or every problem with its line. */
export function parseImageManifest(data: Buffer | string): { manifest?: ImageManifest; problems: string[] } {
  const text = data.toString("utf8");
  if (text.includes("\0") || text.includes("\ufffd")) {
    return { problems: ["image.yaml is no UTF-8 text; save it as UTF-8"] };
  }
  const lines = new LineCounter();
  const document = parseDocument(text, { lineCounter: lines, uniqueKeys: true, prettyErrors: false });
  const at = (offset: number | undefined) =>
    offset === undefined ? "image.yaml" : `image.yaml line ${lines.linePos(offset).line}`;
  const wrong = [...document.errors, ...document.warnings];
  if (wrong.length > 0) {
    return {
      problems: wrong.map((error) => {
        const first = error.message.split("\n")[0] ?? "";
        return `${at(error.pos[0])}: ${quotable(first.replace(/ at line .*$/, ""), 200)}`;
      }),
    };
  }
  if (!isMap(document.contents)) {
    return { problems: [`image.yaml must hold keys with values; keys: ${KEYS.join(", ")}`] };
  }
  const parsed = SCHEMA.safeParse(document.toJS());
  if (parsed.success) return { manifest: parsed.data, problems: [] };
  const problems = parsed.error.issues.flatMap((issue) => {
    const path = issue.path.map((part) => (typeof part === "symbol" ? String(part) : part));
    if (issue.code === "unrecognized_keys") {
      const known = path.length > 0 ? ["file", "sha256"] : KEYS;
      return issue.keys.map((key) => {
        const near = nearest(key, known);
        const place = at(offsetOf(document.contents, [...path, key]));
        return `${place}: unknown key "${[...path, key].join(".")}"; ${near ? `did you mean ${near}? ` : ""}Keys: ${known.join(", ")}`;
      });
    }
    const value = document.getIn(path);
    const name = path.join(".");
    if (value === undefined && MISSING[name]) return `image.yaml: ${MISSING[name]}`;
    const message = value === undefined ? "is missing" : issue.message;
    const got = value === undefined ? "" : `; got ${quotable(JSON.stringify(value) ?? String(value), 80)}`;
    return `${at(offsetOf(document.contents, path))}: ${name || "image.yaml"} ${message}${got}`;
  });
  return { problems };
}

/** Where a key, or the nearest part above it that has a place, begins in the text. */
function offsetOf(node: unknown, path: readonly (string | number)[]): number | undefined {
  let offset: number | undefined;
  let current: unknown = node;
  for (const part of path) {
    if (isMap(current)) {
      const pair = current.items.find((item) => String((item.key as { value?: unknown })?.value) === String(part));
      offset = (pair?.key as { range?: [number] } | undefined)?.range?.[0] ?? offset;
      current = pair?.value;
    } else {
      current = (current as { items?: unknown[] } | undefined)?.items?.[Number(part)];
      offset = (current as { range?: [number] } | undefined)?.range?.[0] ?? offset;
    }
  }
  return offset;
}
