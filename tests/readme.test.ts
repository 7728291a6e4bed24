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
  const groups = "local|course|kubeflow";
  const named = [...readme.matchAll(new RegExp(`mlt ((?:${groups}) )?([a-z]+)`, "g"))].map(
    ([, group = "", name]) => `${group}${name}`,
  );
  // What follows in a row belongs to the row's group.
  const listed = [...readme.matchAll(new RegExp(`^\\| \`mlt ((?:${groups}) )?[^|]*`, "gm"))].flatMap(
    ([row, group = ""]) => [...row.matchAll(/· `([a-z]+)/g)].map(([, name]) => `${group}${name}`),
  );
  const commands = new Set([...named, ...listed]);
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
