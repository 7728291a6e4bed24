import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { test } from "node:test";
import { Choice, type Field, type Shape } from "../../../localcloud/services/compute/schema.ts";
import * as machines from "../../../localcloud/services/compute/shapes/machine.ts";
import * as networks from "../../../localcloud/services/compute/shapes/network.ts";

const SCHEMAS: [string, Shape][] = [
  ["Instance", machines.INSTANCE],
  ["InstanceProperties", machines.INSTANCE_PROPERTIES],
  ["InstanceTemplate", machines.INSTANCE_TEMPLATE],
  ["Scheduling", machines.SCHEDULING],
  ["AttachedDisk", machines.ATTACHED_DISK],
  ["AttachedDiskInitializeParams", machines.ATTACHED_DISK.initializeParams as Shape],
  ["NetworkInterface", machines.NETWORK_INTERFACE],
  ["Metadata", machines.METADATA],
  ["Tags", machines.TAGS],
  ["Disk", machines.DISK],
  ["Image", machines.IMAGE],
  ["ResourcePolicy", machines.RESOURCE_POLICY],
  ["Network", networks.NETWORK],
  ["Subnetwork", networks.SUBNETWORK],
  ["Firewall", networks.FIREWALL],
  ["Router", networks.ROUTER],
  ["RouterNat", (networks.ROUTER.nats as readonly [Shape])[0]],
  ["Address", networks.ADDRESS],
];

/** In no reference, but the providers send it, and Google takes it. */
const UNDOCUMENTED = ["RouterNat.initialNatIps"];

/** The fields of Google's schema, from the types of its own client. */
function googleFields(text: string, schema: string): string[] {
  const body = new RegExp(`export interface Schema\\$${schema} \\{\\n(.*?)\\n    \\}`, "s").exec(text)?.[1] ?? "";
  // Members of nested literals are indented further.
  return [...body.matchAll(/^ {8}(\w+)\?:/gm)].map(([, name]) => name as string);
}

test("every field of Google's schemas is known, and no other", () => {
  const build = dirname(createRequire(import.meta.url).resolve("@googleapis/compute"));
  const v1 = readFileSync(join(build, "v1.d.ts"), "utf8");
  const beta = readFileSync(join(build, "beta.d.ts"), "utf8");
  const missing: string[] = [];
  const invented: string[] = [];
  for (const [schema, shape] of SCHEMAS) {
    const stable = googleFields(v1, schema);
    assert.ok(stable.length > 0, schema);
    const all = new Set([...stable, ...googleFields(beta, schema)]);
    missing.push(...stable.filter((name) => !Object.hasOwn(shape, name)).map((name) => `${schema}.${name}`));
    invented.push(
      ...Object.keys(shape)
        .filter((name) => !all.has(name))
        .map((name) => `${schema}.${name}`),
    );
  }
  assert.deepEqual(missing, [], "Google has these fields; say whether they are modelled");
  assert.deepEqual(invented, UNDOCUMENTED, "Google has no such fields");
});

test("no shape holds anything but fields", () => {
  const kinds = ["string", "bool", "int32", "int64", "number", "map", "output", "unmodelled"];
  const walk = (field: Field, at: string): void => {
    if (typeof field === "string") assert.ok(kinds.includes(field), at);
    else if (field instanceof Choice) assert.ok(field.words.length > 0, at);
    else for (const [name, inner] of Object.entries(field)) walk(inner as Field, `${at}.${name}`);
  };
  for (const [schema, shape] of SCHEMAS) walk(shape, schema);
});
