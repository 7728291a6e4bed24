// What the README says of settings, commands and files is held against the things themselves.
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, test } from "node:test";
import { fileURLToPath } from "node:url";
import { parse } from "yaml";

const root = fileURLToPath(new URL("..", import.meta.url));
const readme = readFileSync(join(root, "README.md"), "utf8");

interface Key {
  type: string;
  default: unknown;
  description: string;
}

function configTable(): string {
  const { config } = parse(readFileSync(join(root, "Pulumi.yaml"), "utf8")) as { config: Record<string, Key> };
  const rows = Object.entries(config).map(([name, key]) => {
    const value = JSON.stringify(key.default);
    const empty = ['""', "[]", "{}"].includes(value);
    const description = key.description.trim().replaceAll("|", "\\|").replaceAll(/\s+/g, " ");
    return `| \`mltraining:${name}\` | ${empty ? "" : `\`${value.replaceAll('"', "")}\``} | ${description} |`;
  });
  return ["| key | default | meaning |", "|---|---|---|", ...rows].join("\n");
}

test("the table of settings is the schema in Pulumi.yaml", () => {
  const [, table] = /<!-- config table[^>]*-->\n([\s\S]*?)\n?<!-- \/config table -->/.exec(readme) ?? [];
  assert.equal(table, configTable());
});

describe("every mlt command in the README exists", () => {
  const GROUPS = "local|image|kubeflow|course";
  const named = [...readme.matchAll(new RegExp(`mlt (?:(${GROUPS}) )?([a-z]+)`, "g"))].map(([, group, name]) =>
    group ? `${group} ${name}` : name,
  );
  // In a table's row what follows the first name belongs to the same group: `mlt image build` · `list`.
  const listed = (readme.match(/^\| `mlt [^|]*/gm) ?? []).flatMap((row) => {
    const [, group = ""] = new RegExp(`^\\| \`mlt (${GROUPS}) `).exec(row) ?? [];
    return [...row.matchAll(/· `([a-z]+)/g)].map(([, name]) => `${group} ${name}`.trim());
  });
  const commands = new Set([...named, ...listed] as string[]);
  assert.ok(commands.has("local stop") && commands.has("watch"), [...commands].join(", "));
  for (const command of commands) {
    test(command, () => {
      const args = ["cli/mlt.js", ...command.split(" "), "--help"];
      const { status, stdout } = spawnSync(process.execPath, args, { cwd: root, encoding: "utf8" });
      assert.equal(status, 0);
      assert.match(stdout, new RegExp(`^Usage: mlt ${command}`));
    });
  }
});

test("every file that the README links to is there", () => {
  const links = [...readme.matchAll(/\]\((?!https?:|#)([^)]+)\)/g)].map(([, path]) => path as string);
  assert.ok(links.length > 5);
  assert.deepEqual(
    links.filter((path) => !existsSync(join(root, path))),
    [],
  );
});

test("every npm script that the README names is in package.json", () => {
  const { scripts } = JSON.parse(readFileSync(join(root, "package.json"), "utf8")) as {
    scripts: Record<string, string>;
  };
  const named = [...readme.matchAll(/npm (?:run )?(rehearse|test|[a-z]+(?=`))/g)].map(([, name]) => name as string);
  assert.deepEqual(
    named.filter((name) => name !== "ci" && !(name in scripts)),
    [],
  );
});
