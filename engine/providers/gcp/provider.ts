import type { Change, Problem } from "../protocol.ts";
import { checkInputs, isGeneratedName, ownInputs } from "./check.ts";
import { type Configuration, contextOf, placeOf } from "./configuration.ts";
import { changesOf } from "./diff.ts";
import { typeOf } from "./registry.ts";
import type { Context, Found, ResourceType } from "./resource.ts";
import type { Place } from "./schema.ts";
import { outputsOf, previewOutputs, refreshedInputs } from "./state.ts";
import { hasUnknown, type Props, text, UNKNOWN } from "./values.ts";

export interface Difference {
  changes: Change[];
  deleteBeforeReplace: boolean;
}

/** The token and the name in a resource's URN: `urn:pulumi:stack::project::parent$type::name`. */
export function parseUrn(urn: string): { token: string; name: string } {
  const parts = urn.split("::");
  return { token: (parts[2] ?? "").split("$").pop() as string, name: parts.slice(3).join("::") };
}

export function check(
  configuration: Configuration,
  urn: string,
  seed: Uint8Array,
  olds: Props,
  news: Props,
): { inputs: Props; problems: Problem[] } {
  const { token, name } = parseUrn(urn);
  return checkInputs(typeOf(token), name, seed, olds, news, placeOf(configuration, news));
}

export async function diff(
  configuration: Configuration,
  urn: string,
  oldInputs: Props,
  oldOutputs: Props,
  news: Props,
): Promise<Difference> {
  const type = typeOf(parseUrn(urn).token);
  const olds = ownInputs(oldInputs);
  const wanted = ownInputs(news);
  const context = contextOf(configuration, wanted);
  let changes = [
    ...changesOf(type.shape, olds, wanted, context.place),
    ...moved(type, olds, oldOutputs, wanted, context.place),
  ];
  changes = changes.map((change) => (inPlace(type, change) ? change : { ...change, replace: true }));
  if (type.adjust && !hasUnknown(wanted)) changes = await type.adjust(context, oldOutputs, wanted, changes);
  const replaces = changes.some(({ replace }) => replace);
  return { changes, deleteBeforeReplace: replaces && mustDeleteFirst(type, olds, news) };
}

/** Whether a change needs no new resource. Inputs that are never sent change in the state alone. */
function inPlace(type: ResourceType, change: Change): boolean {
  if (change.replace) return false;
  const field = type.shape[change.path.split(/[.[]/)[0] as string];
  return type.update !== undefined || field?.local === true;
}

/** A resource follows the provider's own project, region and zone where it names none: elsewhere is another resource. */
function moved(type: ResourceType, olds: Props, outputs: Props, news: Props, place: Place): Change[] {
  const changes: Change[] = [];
  for (const name of ["project", "region", "zone"] as const) {
    const field = type.shape[name];
    if (!field?.forceNew || !field.computed || news[name] !== undefined || outputs[name] === undefined) continue;
    const differs = text(outputs[name]).split("/").pop() !== place[name];
    if (differs && place[name] && (olds[name] === undefined || olds[name] === outputs[name])) {
      changes.push({ path: name, kind: "update", replace: true });
    }
  }
  return changes;
}

/** Two resources cannot have one name: a name that the program fixes must be free before it is used again. */
function mustDeleteFirst(type: ResourceType, olds: Props, news: Props): boolean {
  if (type.deleteBeforeReplace) return true;
  const property = type.autoName?.property;
  if (property === undefined || news[property] === undefined || isGeneratedName(news, property)) return false;
  return news[property] === UNKNOWN || news[property] === olds[property];
}

export async function create(
  configuration: Configuration,
  urn: string,
  inputs: Props,
  timeout: number,
  preview: boolean,
): Promise<{ id: string; outputs: Props }> {
  const type = typeOf(parseUrn(urn).token);
  const own = ownInputs(inputs);
  const context = contextOf(configuration, own, timeout);
  if (preview) return { id: "", outputs: previewOutputs(type, own, context.place) };
  const found = await type.create(context, own);
  return { id: found.id, outputs: outputsOf(type, own, found) };
}

export async function read(
  configuration: Configuration,
  urn: string,
  id: string,
  outputs: Props,
  inputs: Props,
): Promise<{ id: string; outputs: Props; inputs: Props } | undefined> {
  const type = typeOf(parseUrn(urn).token);
  const state = { ...outputs, ...ownInputs(inputs) };
  const context = contextOf(configuration, state);
  const found = await type.read(context, id, state);
  if (!found) return undefined;
  const imported = Object.keys(inputs).length === 0;
  const refreshed = imported ? found.inputs : refreshedInputs(type.shape, inputs, found.inputs, context.place);
  const labels = imported ? found.inputs.labels : refreshed.labels;
  return { id: found.id, inputs: refreshed, outputs: outputsOf(type, { ...state, labels }, found) };
}

export async function update(
  configuration: Configuration,
  urn: string,
  id: string,
  oldInputs: Props,
  oldOutputs: Props,
  news: Props,
  timeout: number,
  preview: boolean,
): Promise<Props> {
  const type = typeOf(parseUrn(urn).token);
  const olds = ownInputs(oldInputs);
  const own = ownInputs(news);
  const context = contextOf(configuration, { ...oldOutputs, ...own }, timeout);
  const kept = { ...without(oldOutputs, olds), ...own };
  if (preview) return kept;
  const changes = changesOf(type.shape, olds, own, context.place);
  const sent = changes.filter(({ path }) => !isLocal(type, path));
  if (!type.update || (sent.length === 0 && !actsOnLocal(changes))) return kept;
  const found: Found = await type.update(context, id, olds, own, changes);
  return outputsOf(type, own, found);
}

function isLocal(type: ResourceType, path: string): boolean {
  return type.shape[path.split(/[.[]/)[0] as string]?.local === true;
}

/** Inputs that are in no REST body and still mean a call. */
function actsOnLocal(changes: Change[]): boolean {
  const acting = ["content", "desiredStatus", "bootDisk", "attachedDisks"];
  return changes.some(({ path }) => acting.includes(path.split(/[.[]/)[0] as string));
}

function without(outputs: Props, inputs: Props): Props {
  return Object.fromEntries(Object.entries(outputs).filter(([name]) => !(name in inputs)));
}

export async function remove(
  configuration: Configuration,
  urn: string,
  id: string,
  oldInputs: Props,
  outputs: Props,
  timeout: number,
): Promise<void> {
  const type = typeOf(parseUrn(urn).token);
  const state = { ...outputs, ...ownInputs(oldInputs) };
  if (state.deletionPolicy === "ABANDON") return;
  if (state.deletionPolicy === "PREVENT") {
    throw new Error(`cannot destroy ${id}: its deletion_policy is "PREVENT"`);
  }
  const context: Context = contextOf(configuration, state, timeout);
  await type.delete(context, id, state);
}
