import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { type PackedFile, packFiles } from "./archive.ts";

/** Google's limit for one metadata value: 256 KiB. */
export const METADATA_VALUE_LIMIT = 256 * 1024;

const FOLDER = fileURLToPath(new URL("../startup-scripts", import.meta.url));

type Folders = Readonly<Record<string, RegExp>>;

/** The folders that travel with a main script, and which of their files. */
const PACKED: Readonly<Record<string, Folders>> = {
  "image-build.sh": { image: /\.py$/, supervisor: /\.py$/ },
  "workstation.sh": {
    workstation: /(\.py|^requirements\.txt|^ml|^mlt-exec|^profile\.sh)$/,
    "workstation/units": /\.(service|timer)$/,
  },
};
const USUALLY: Folders = { python: /\.py$/, supervisor: /\.py$/, units: /\.service$/ };

/**
 * What goes into `metadata["startup-script"]`: lib/common.sh, the folders that go with the main script (most often
 * python/, supervisor/ and units/) as a tar.gz in `MLT_FILES_BASE64`, and the main script, joined unchanged but for the second `#!` line. No value is pasted into shell
 * text: base64 needs no quoting, and everything else reaches the machine through its metadata. Same files, same bytes.
 */
export function startupScript(main: string, folder: string = FOLDER): string {
  // One process may bring up a hundred students, and packing takes longer than everything else of a program.
  const known = joined.get(`${folder}/${main}`);
  if (known !== undefined) return known;
  const made = joinedScript(main, folder);
  if (folder === FOLDER) joined.set(`${folder}/${main}`, made);
  return made;
}

const joined = new Map<string, string>();

function joinedScript(main: string, folder: string): string {
  const common = text(folder, "lib/common.sh");
  const script = text(folder, main);
  if (!common.startsWith("#!"))
    throw new Error("startup-scripts/lib/common.sh must begin with #!, because it begins the joined script");
  const files = packFiles(packedFiles(main, folder)).toString("base64");
  const whole = `${common}\nreadonly MLT_FILES_BASE64='${files}'\n\n${withoutInterpreter(script)}`;
  const size = Buffer.byteLength(whole);
  if (size > METADATA_VALUE_LIMIT) {
    throw new Error(
      `the startup script ${main} has ${size} bytes; Google takes at most ${METADATA_VALUE_LIMIT} in a metadata value. ` +
        "Make what travels with it smaller: see PACKED in components/startupScript.ts",
    );
  }
  return whole;
}

/** The files that the script unpacks, by their paths in the archive. */
function packedFiles(main: string, folder: string): PackedFile[] {
  return Object.entries(PACKED[main] ?? USUALLY).flatMap(([name, wanted]) =>
    readdirSync(join(folder, name))
      .filter((file) => wanted.test(file))
      .map((file) => ({ path: `${name}/${file}`, content: Buffer.from(text(folder, `${name}/${file}`)) })),
  );
}

/** Line ends as Linux wants them: a checkout on Windows may have turned them. */
function text(folder: string, file: string): string {
  return readFileSync(join(folder, file), "utf8").replaceAll("\r\n", "\n");
}

function withoutInterpreter(script: string): string {
  return script.startsWith("#!") ? script.slice(script.indexOf("\n") + 1) : script;
}
