import { ownInputs } from "./check.ts";
import { sameFieldValue } from "./diff.ts";
import type { Found, ResourceType } from "./resource.ts";
import type { Field, Place, Shape } from "./schema.ts";
import { compact, isObject, type Props, UNKNOWN } from "./values.ts";

/** What Pulumi keeps of a resource: the program's inputs, what Google made of them, and what only Google knows. */
export function outputsOf(type: ResourceType, inputs: Props, found: Found): Props {
  const outputs: Props = { ...ownInputs(inputs), ...found.inputs, ...found.outputs };
  if (type.shape.labels?.labels) {
    outputs.effectiveLabels = found.inputs.labels ?? {};
    outputs.pulumiLabels = found.inputs.labels ?? {};
    outputs.labels = inputs.labels;
  }
  return compact(outputs);
}

/** What a preview can say about a resource that is not there yet. */
export function previewOutputs(type: ResourceType, inputs: Props, place: Place): Props {
  const outputs: Props = {};
  for (const [name, field] of Object.entries(type.shape)) {
    if (field.default !== undefined) outputs[name] = field.default;
    else if (field.computed) outputs[name] = UNKNOWN;
  }
  for (const name of ["project", "region", "zone"] as const) {
    if (type.shape[name] && place[name]) outputs[name] = place[name];
  }
  for (const name of type.computed) outputs[name] = UNKNOWN;
  return compact({ ...outputs, ...ownInputs(inputs) });
}

/**
 * The inputs as a refresh finds them: an input keeps the program's spelling where Google means the same, takes
 * Google's value where it differs, and nothing is added that the program never said.
 */
export function refreshedInputs(shape: Shape, inputs: Props, found: Props, place: Place): Props {
  const refreshed: Props = {};
  for (const [name, value] of Object.entries(inputs)) {
    const field = shape[name];
    refreshed[name] = !field || field.local ? value : refreshedValue(field, value, found[name], place);
  }
  return compact(refreshed);
}

function refreshedValue(field: Field, value: unknown, found: unknown, place: Place): unknown {
  if (found === undefined) return isEmpty(value) || value === field.default ? value : undefined;
  if (sameFieldValue(field, value, found, place) || field.encode !== undefined) {
    return field.encode && field.decode ? decodedValue(field, value, found) : value;
  }
  if (field.type === "object" && isObject(value) && isObject(found)) {
    return refreshedInputs(field.fields ?? {}, value, found, place);
  }
  if (field.type === "list" && field.fields && Array.isArray(value) && Array.isArray(found)) {
    return found.map((item, index) => {
      const own = value[index];
      return isObject(own) && isObject(item) ? refreshedInputs(field.fields ?? {}, own, item, place) : item;
    });
  }
  if (field.labels && isObject(value) && isObject(found)) {
    return Object.fromEntries(Object.entries(found).filter(([key]) => key in value || !(key in (place.labels ?? {}))));
  }
  return found;
}

/** Encoded values are compared as they come back: `debian-12` and a link to it, `LIVE` and `true`. */
function decodedValue(field: Field, value: unknown, found: unknown): unknown {
  if (typeof value === "string" && typeof found === "string") {
    return value.split("/").pop() === found.split("/").pop() ? value : found;
  }
  return sameFieldValue({ ...field, unordered: true }, value, found, { project: "" }) ? value : found;
}

function isEmpty(value: unknown): boolean {
  if (value === false || value === 0 || value === "" || value === null) return true;
  return Array.isArray(value) ? value.length === 0 : isObject(value) && Object.keys(value).length === 0;
}
