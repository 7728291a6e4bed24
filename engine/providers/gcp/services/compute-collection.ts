import type { Change } from "../../protocol.ts";
import { unlessGone } from "../client.ts";
import { changedInputs } from "../diff.ts";
import { change, computeOperation } from "../operations.ts";
import type { AutoName, Context, Found, ResourceType } from "../resource.ts";
import { fromRest, lastSegment, type Place, type Shape, string, toRest } from "../schema.ts";
import { type Props, text } from "../values.ts";

/** RFC 1035 names, the rule of almost everything in Compute Engine. */
export const NAME = /^[a-z]([-a-z0-9]{0,61}[a-z0-9])?$/;

type Scope = "global" | "region" | "zone";

export interface Collection {
  /** `gcp:compute/network:Network` */
  token: string;
  collection: string;
  scope: Scope;
  /** The inputs beyond name, project, region and zone. */
  shape: Shape;
  /** Outputs beyond the inputs and `selfLink`. */
  outputs?: (body: Props) => Props;
  computed?: readonly string[];
  refuse?: ResourceType["refuse"];
  /** Completes the body before it is sent (resolved images, merged metadata). */
  prepare?: (context: Context, body: Props, inputs: Props) => Promise<Props>;
  /** How inputs change in place; absent: every change replaces. */
  update?: "patch" | ((context: Context, id: string, news: Props, changed: Set<string>, body: Props) => Promise<void>);
  /** Delete fails when the thing is gone already, as the real provider's does for machines. */
  strictDelete?: boolean;
  query?: string;
  autoName?: AutoName;
}

/** The path of a resource's collection, relative to the compute endpoint. */
export function collectionPath(scope: Scope, collection: string, place: Place): string {
  const part = scope === "global" ? "global" : scope === "region" ? `regions/${place.region}` : `zones/${place.zone}`;
  return `projects/${place.project}/${part}/${collection}`;
}

/** A resource type that lives in a collection of Compute Engine. */
export function computeResource(record: Collection): ResourceType {
  const { token, collection, scope, update } = record;
  const what = (token.split(":").pop() as string).replace(/^./, (first) => first.toUpperCase());
  const shape: Shape = {
    name: string({ forceNew: true, pattern: NAME, computed: true }),
    project: string({ forceNew: true, computed: true, local: true }),
    ...(scope === "region" ? { region: string({ forceNew: true, computed: true, local: true }) } : {}),
    ...(scope === "zone" ? { zone: string({ forceNew: true, computed: true, local: true }) } : {}),
    ...record.shape,
  };

  function found(id: string, body: Props): Found {
    const place: Props = { project: id.split("/")[1] };
    if (scope !== "global") place[scope] = lastSegment(id.split("/").slice(0, 4).join("/"));
    const outputs = { ...place, selfLink: body.selfLink, ...record.outputs?.(body) };
    return { id, outputs, inputs: { ...fromRest(shape, body), ...place } };
  }

  async function get(context: Context, id: string): Promise<Props> {
    return context.client.request("compute", "GET", id + (record.query ?? ""));
  }

  const type: ResourceType = {
    token,
    shape,
    autoName: record.autoName ?? { property: "name", maximum: 63 },
    computed: ["selfLink", ...(record.computed ?? [])],
    refuse: record.refuse,

    async create(context, inputs) {
      const path = collectionPath(scope, collection, context.place);
      const sent = toRest(shape, inputs, context.place);
      const body = (await record.prepare?.(context, sent, inputs)) ?? sent;
      const started = await context.client.post("compute", path, body);
      await computeOperation(context, started, `${what} to be created`);
      const id = `${path}/${text(inputs.name)}`;
      return found(id, await get(context, id));
    },

    async read(context, id) {
      const body = await unlessGone(get(context, id));
      return body && found(id, body);
    },

    async delete(context, id) {
      const deleted = change(context, "DELETE", id, undefined, `${what} to be deleted`);
      await (record.strictDelete ? deleted : unlessGone(deleted));
    },
  };

  if (update) {
    type.update = async (context, id, _olds, news, changes: Change[]) => {
      const changed = changedInputs(changes);
      const body = toRest(shape, news, context.place);
      if (update === "patch") await patchChanged(context, id, body, news, changed, shape, what);
      else await update(context, id, news, changed, body);
      return found(id, await get(context, id));
    };
  }
  return type;
}

/** PATCH with the REST members that belong to the changed inputs, cleared ones as `null`. */
export async function patchChanged(
  context: Context,
  id: string,
  body: Props,
  news: Props,
  changed: Set<string>,
  shape: Shape,
  what: string,
  extra: Props = {},
): Promise<void> {
  const sent: Props = { ...extra };
  for (const name of changed) {
    const field = shape[name];
    if (!field || field.local) continue;
    const member = (field.rest ?? name).split(".")[0] as string;
    sent[member] = body[member] ?? (news[name] === undefined ? null : undefined);
  }
  if (Object.keys(sent).length === Object.keys(extra).length) return;
  await change(context, "PATCH", id, sent, `${what} to be updated`);
}
