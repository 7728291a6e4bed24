import { ApiError } from "./client.ts";
import type { Context, Found, ResourceType } from "./resource.ts";
import { object, type Shape, string } from "./schema.ts";
import { isObject, type Props, sameValue, text, UNKNOWN } from "./values.ts";

/** One member of an IAM policy as a resource: read the policy, change one line, write it back under its etag. */
export interface PolicyMember {
  token: string;
  /** The input that names what the policy belongs to (or how all of them do), and how its id begins. */
  owner: {
    property: string;
    shape: Shape;
    prefix: (owner: string) => string;
    of?: (inputs: Props, context: Context) => string;
  };
  deleteBeforeReplace?: boolean;
  get(context: Context, owner: string): Promise<Props>;
  set(context: Context, owner: string, policy: Props): Promise<Props>;
}

interface Binding {
  role: string;
  members: string[];
  condition?: Props;
}

const MEMBER =
  /^(allUsers|allAuthenticatedUsers|(deleted:)?(user|serviceAccount|group|domain|principal|principalSet|projectOwner|projectEditor|projectViewer|iamMember):.+|principal(Set)?:\/\/.+)$/;

const CONFLICT_WAITS_MS = [1000, 2000, 4000, 8000, 16_000];

/** Google's answers to a write that came between are retried; within one process the writers queue up. */
const queues = new Map<string, Promise<unknown>>();

/** Runs one at a time whatever has the same key. */
export async function inTurn<T>(key: string, work: () => Promise<T>): Promise<T> {
  const before = queues.get(key) ?? Promise.resolve();
  const mine = before.then(work, work);
  queues.set(key, mine);
  try {
    return await mine;
  } finally {
    if (queues.get(key) === mine) queues.delete(key);
  }
}

export function policyMember(record: PolicyMember): ResourceType {
  const { token, owner } = record;
  const ownerOf = (inputs: Props, context: Context) =>
    owner.of?.(inputs, context) ?? text(inputs[owner.property] ?? context.place.project);

  function found(context: Context, inputs: Props, policy: Props): Found {
    const { role, member } = inputs;
    const title = isObject(inputs.condition) ? `/${text(inputs.condition.title)}` : "";
    const id = `${owner.prefix(ownerOf(inputs, context))}/${text(role)}/${text(member)}${title}`;
    return { id, outputs: { etag: policy.etag }, inputs };
  }

  async function edit(context: Context, inputs: Props, change: (bindings: Binding[]) => Binding[]): Promise<Props> {
    const name = ownerOf(inputs, context);
    return inTurn(`${token} ${context.client.identity} ${name}`, async () => {
      for (const wait of [...CONFLICT_WAITS_MS, undefined]) {
        const policy = await record.get(context, name);
        const bindings = change((policy.bindings as Binding[] | undefined) ?? []);
        try {
          return await record.set(context, name, { ...policy, version: 3, bindings });
        } catch (error) {
          const conflict = error instanceof ApiError && (error.code === 409 || error.code === 412);
          if (!conflict || wait === undefined) throw error;
          await new Promise((resolve) => setTimeout(resolve, wait));
        }
      }
      throw new Error("Too many conflicts.");
    });
  }

  return {
    token,
    shape: {
      ...owner.shape,
      role: string({ required: true, forceNew: true }),
      member: string({ required: true, forceNew: true, refuse: refuseMember }),
      condition: object(
        { title: string({ required: true }), expression: string({ required: true }), description: string() },
        { forceNew: true },
      ),
    },
    deleteBeforeReplace: record.deleteBeforeReplace,
    computed: ["etag"],

    async create(context, inputs) {
      const policy = await edit(context, inputs, (bindings) => {
        const there = bindings.find((binding) => fits(binding, inputs));
        if (!there) return [...bindings, newBinding(inputs)];
        const members = [...new Set([...there.members, text(inputs.member)])];
        return bindings.map((binding) => (binding === there ? { ...there, members } : binding));
      });
      return found(context, inputs, policy);
    },

    async read(context, _id, state) {
      const policy = await record.get(context, ownerOf(state, context)).catch((error: unknown) => {
        if (error instanceof ApiError && error.code === 404) return undefined;
        throw error;
      });
      const bindings = (policy?.bindings as Binding[] | undefined) ?? [];
      const there = bindings.some((binding) => fits(binding, state) && binding.members.includes(text(state.member)));
      if (!policy || !there) return undefined;
      const inputs = Object.fromEntries(
        [...Object.keys(owner.shape), "role", "member", "condition"].flatMap((name) =>
          state[name] === undefined ? [] : [[name, state[name]]],
        ),
      );
      return found(context, inputs, policy);
    },

    async delete(context, _id, state) {
      try {
        await edit(context, state, (bindings) =>
          bindings
            .map((binding) =>
              fits(binding, state)
                ? { ...binding, members: binding.members.filter((member) => member !== state.member) }
                : binding,
            )
            .filter((binding) => binding.members.length > 0),
        );
      } catch (error) {
        if (!(error instanceof ApiError && error.code === 404)) throw error;
      }
    },
  };
}

function newBinding(inputs: Props): Binding {
  const binding: Binding = { role: text(inputs.role), members: [text(inputs.member)] };
  return isObject(inputs.condition) ? { ...binding, condition: inputs.condition } : binding;
}

function fits(binding: Binding, inputs: Props): boolean {
  return binding.role === inputs.role && sameValue(plain(binding.condition), plain(inputs.condition));
}

/** A condition without an empty description, which Google may or may not return. */
function plain(condition: unknown): Props | undefined {
  if (!isObject(condition)) return undefined;
  const { title, expression, description } = condition;
  return description ? { title, expression, description } : { title, expression };
}

function refuseMember(value: unknown): string | undefined {
  if (value === UNKNOWN || MEMBER.test(text(value))) return undefined;
  return `invalid value for member (IAM members must have one of the values outlined in Google's documentation, such as user:, group: or serviceAccount:): ${text(value)}`;
}
