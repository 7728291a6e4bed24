import { createHash } from "node:crypto";
import type { Problem } from "../protocol.ts";
import type { ResourceType } from "./resource.ts";
import type { Field, Place, Shape } from "./schema.ts";
import { isAsset, isObject, type Props, UNKNOWN } from "./values.ts";

/** Names that Pulumi gave, so that they are kept as long as the resource is. */
const DEFAULTS = "__defaults";

export function isGeneratedName(inputs: Props, property: string): boolean {
  const generated = inputs[DEFAULTS];
  return Array.isArray(generated) && generated.includes(property);
}

/** The inputs without what only Pulumi needs. */
export function ownInputs(inputs: Props): Props {
  const { [DEFAULTS]: _, ...own } = inputs;
  return own;
}

/** Completes the inputs with a name and finds everything that the real provider's preview refuses. */
export function checkInputs(
  type: ResourceType,
  resourceName: string,
  seed: Uint8Array,
  olds: Props,
  news: Props,
  place: Place,
): { inputs: Props; problems: Problem[] } {
  const inputs: Props = { ...ownInputs(news), [DEFAULTS]: [] };
  const problems: Problem[] = [];
  const automatic = type.autoName;
  const prefix = typeof inputs.namePrefix === "string" ? inputs.namePrefix : undefined;
  if (automatic && inputs[automatic.property] === undefined) {
    const { property, maximum } = automatic;
    const kept = isGeneratedName(olds, property) ? olds[property] : undefined;
    const made = prefix === undefined ? generatedName(resourceName, seed) : prefix + hexadecimal(seed, 26);
    Object.assign(inputs, { [property]: kept ?? made, [DEFAULTS]: [property] });
    if (made.length > maximum) {
      problems.push({
        property,
        reason: `failed to generate a name of at most ${maximum} characters from "${resourceName}"`,
      });
    }
  }
  const { [DEFAULTS]: _, ...own } = inputs;
  problems.push(...problemsOf(type.shape, own, "", type.token), ...missingPlaces(type, place));
  if (problems.length === 0) problems.push(...(type.refuse?.(own) ?? []));
  return { inputs, problems };
}

function generatedName(resourceName: string, seed: Uint8Array): string {
  return `${resourceName.toLowerCase()}-${hexadecimal(seed, 7)}`;
}

function hexadecimal(seed: Uint8Array, length: number): string {
  return createHash("sha256").update(seed).digest("hex").slice(0, length);
}

function missingPlaces(type: ResourceType, place: Place): Problem[] {
  const missing: Problem[] = [];
  for (const name of ["project", "region", "zone"] as const) {
    if (!type.shape[name]?.local || type.token.includes("instanceTemplate") || place[name]) continue;
    missing.push({ property: name, reason: `required field is not set: give ${name} or set gcp:${name}` });
  }
  return missing;
}

function problemsOf(shape: Shape, inputs: Props, prefix: string, token: string): Problem[] {
  const problems: Problem[] = [];
  const at = (name: string) => (prefix ? `${prefix}.${name}` : name);
  for (const name of Object.keys(inputs)) {
    if (shape[name]) continue;
    problems.push({
      property: at(name),
      reason: `the attached gcp provider does not know this input of ${token}`,
    });
  }
  for (const [name, field] of Object.entries(shape)) {
    const value = inputs[name];
    if (value === UNKNOWN) continue;
    if (value !== undefined && value !== null) problems.push(...valueProblems(field, value, at(name), token));
    else if (field.required) problems.push({ property: at(name), reason: "Missing required argument" });
  }
  return problems;
}

function valueProblems(field: Field, value: unknown, property: string, token: string): Problem[] {
  const wrong = typeProblem(field, value);
  if (wrong) return [{ property, reason: wrong }];
  if (field.type === "object") return problemsOf(field.fields ?? {}, value as Props, property, token);
  if (field.type === "list") {
    return (value as unknown[]).flatMap((item, index) => {
      if (item === UNKNOWN) return [];
      const path = `${property}[${index}]`;
      if (field.fields) return isObject(item) ? problemsOf(field.fields, item, path, token) : [notA(path, "object")];
      return [];
    });
  }
  if (field.oneOf && !field.oneOf.includes(String(value))) {
    return [{ property, reason: `expected to be one of ${JSON.stringify(field.oneOf)}, got ${String(value)}` }];
  }
  if (field.pattern && !field.pattern.test(String(value))) {
    return [{ property, reason: `"${String(value)}" doesn't match regexp "${field.pattern.source}"` }];
  }
  const refused = field.refuse?.(value);
  return refused ? [{ property, reason: refused }] : [];
}

function notA(property: string, type: string): Problem {
  return { property, reason: `expected ${type}` };
}

function typeProblem(field: Field, value: unknown): string | undefined {
  const fits = {
    string: typeof value === "string" || typeof value === "number" || typeof value === "boolean",
    number:
      typeof value === "number" || (typeof value === "string" && value.trim() !== "" && !Number.isNaN(Number(value))),
    boolean: typeof value === "boolean" || value === "true" || value === "false",
    map: isObject(value),
    object: isObject(value),
    list: Array.isArray(value),
    asset: isAsset(value),
  }[field.type];
  return fits ? undefined : `expected ${field.type}, got ${JSON.stringify(value)}`;
}
