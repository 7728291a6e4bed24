import { readdir, rename, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileError, makeFolder } from "../training/files.ts";

/**
 * Writes files that hold people's names into a folder that only the owner reads. A folder that is made here is kept out
 * of git. Each file is there whole or as it was.
 */
export async function writePrivate(folder: string, files: Readonly<Record<string, string>>): Promise<void> {
  try {
    const isNew = await readdir(folder).then(
      (names) => names.length === 0,
      () => true,
    );
    await makeFolder(folder, 0o700);
    if (isNew) await writeFile(join(folder, ".gitignore"), "# People's names: not for a repository.\n*\n");
    for (const [name, text] of Object.entries(files)) {
      const draft = join(folder, `.${name}.${process.pid}.tmp`);
      await writeFile(draft, text, { mode: 0o600 });
      await rename(draft, join(folder, name));
    }
  } catch (error) {
    throw fileError(error, `Writing to ${folder}`);
  }
}
