import * as pulumi from "@pulumi/pulumi";

/** A resource as it was registered: its inputs with every output awaited. */
export interface Recorded {
  type: string;
  name: string;
  inputs: Record<string, unknown>;
  /** Component resources are not custom. */
  custom: boolean;
  retainOnDelete: boolean;
}

/** Answers of the engine and the provider that a test gives. */
export interface World {
  /** Outputs of a resource beyond its inputs. */
  state?: (resource: pulumi.runtime.MockResourceArgs) => Record<string, unknown> | undefined;
  /** Provider functions by token; a call to another one fails the test. */
  calls?: Record<string, (inputs: Record<string, unknown>) => Record<string, unknown>>;
  /** In a preview nothing has an id or an output yet. */
  preview?: boolean;
  project?: string;
  stack?: string;
  /** Raw configuration: `mltraining:training` → JSON. */
  config?: Record<string, string>;
}

export interface Recording<T> {
  resources: Recorded[];
  result: T;
  /** Resources of one type (`gcp:storage/bucket:Bucket`), in the order of registration. */
  ofType(type: string): Recorded[];
  /** The one resource of a type, with that name if given. */
  only(type: string, name?: string): Recorded;
  /** How a resource was registered, beside its inputs; others are named by the last part of their URN. */
  optionsOf(type: string, name: string): RecordedOptions;
}

export interface RecordedOptions {
  dependsOn: string[];
  deletedWith: string;
  ignoreChanges: string[];
  /** The provider's name. */
  provider: string;
  timeouts: { create: string; update: string; delete: string };
  secretOutputs: string[];
}

/**
 * Runs a program against fresh mocks and returns every resource that it registered, once all have been. Automatic names
 * are the resource's own and seven digits, as the provider makes them.
 */
export async function record<T>(program: () => T | Promise<T>, world: World = {}): Promise<Recording<T>> {
  const resources: Recorded[] = [];
  const options = new Map<string, RegisterRequest>();
  pulumi.runtime.setAllConfig(world.config ?? {});
  await pulumi.runtime.setMocks(
    {
      newResource(args) {
        resources.push({
          type: args.type,
          name: args.name,
          inputs: open(args.inputs) as Record<string, unknown>,
          custom: args.custom ?? true,
          retainOnDelete: options.get(`${args.type} ${args.name}`)?.getRetainondelete() ?? false,
        });
        if (world.preview) return { id: undefined, state: args.inputs };
        const automatic = `${args.name}-0123abc`;
        return {
          id: `${args.name}-id`,
          state: {
            name: automatic,
            selfLink: `https://example.test/${args.type}/${automatic}`,
            ...args.inputs,
            ...derived(args),
            ...world.state?.(args),
          },
        };
      },
      call({ token, inputs }) {
        const answer = world.calls?.[token];
        if (!answer) throw new Error(`unmocked call: ${token}`);
        return answer(inputs as Record<string, unknown>);
      },
    },
    world.project ?? "mltraining",
    world.stack ?? "test",
    world.preview ?? false,
    "organization",
  );
  watchMonitor(options);
  const result = await program();
  await pulumi.runtime.disconnect();
  const ofType = (type: string): Recorded[] => resources.filter((resource) => resource.type === type);
  return {
    resources,
    result,
    ofType,
    only(type, name) {
      const found = ofType(type).filter((resource) => name === undefined || resource.name === name);
      if (found.length !== 1 || !found[0]) {
        throw new Error(`${found.length} resources of type ${type}${name ? ` named ${name}` : ""}; wanted exactly one`);
      }
      return found[0];
    },
    optionsOf(type, name) {
      const request = options.get(`${type} ${name}`);
      if (!request) throw new Error(`no resource of type ${type} named ${name}`);
      return readOptions(request);
    },
  };
}

/** Secrets travel wrapped; a test wants to see what is in them. */
function open(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(open);
  if (value === null || typeof value !== "object") return value;
  if (SECRET_KEY in value) return open(Reflect.get(value, "value"));
  return Object.fromEntries(Object.entries(value).map(([key, member]) => [key, open(member)]));
}

/** The SDK's mark of a special value; `1b47…` beside it says: a secret. */
const SECRET_KEY = "4dabf18193072939515e22adb298388d";

/** Outputs that Google computes. */
function derived({ type, inputs }: pulumi.runtime.MockResourceArgs): Record<string, unknown> {
  if (type === "gcp:serviceaccount/account:Account") {
    return { email: `${inputs.accountId}@${inputs.project}.iam.gserviceaccount.com` };
  }
  if (type === "gcp:projects/iAMCustomRole:IAMCustomRole") {
    return { name: `projects/${inputs.project}/roles/${inputs.roleId}` };
  }
  return {};
}

interface RegisterRequest {
  getType(): string;
  getName(): string;
  getRetainondelete(): boolean;
  getDependenciesList(): string[];
  getDeletedwith(): string;
  getIgnorechangesList(): string[];
  getProvider(): string;
  getCustomtimeouts(): { getCreate(): string; getUpdate(): string; getDelete(): string } | undefined;
  getAdditionalsecretoutputsList(): string[];
}

/** `urn:pulumi:…::TYPE::NAME`, of a provider followed by its id. */
function lastOf(urn: string): string {
  return urn.split("::")[3] ?? "";
}

function readOptions(request: RegisterRequest): RecordedOptions {
  const timeouts = request.getCustomtimeouts();
  return {
    dependsOn: request.getDependenciesList().map(lastOf).sort(),
    deletedWith: lastOf(request.getDeletedwith()),
    ignoreChanges: request.getIgnorechangesList(),
    provider: lastOf(request.getProvider()),
    timeouts: {
      create: timeouts?.getCreate() ?? "",
      update: timeouts?.getUpdate() ?? "",
      delete: timeouts?.getDelete() ?? "",
    },
    secretOutputs: request.getAdditionalsecretoutputsList(),
  };
}

type Done = (error: Error | null, response: unknown) => void;

/** Keeps what mocks do not pass on, and adds the methods for hooks that the SDK's mock says it has but lacks. */
function watchMonitor(options: Map<string, RegisterRequest>): void {
  const monitor = pulumi.runtime.getMonitor() as unknown as {
    registerErrorHook: (request: unknown, done: Done) => void;
    registerResourceHook: (request: unknown, done: Done) => void;
    registerResource: (request: RegisterRequest, done: Done) => unknown;
  };
  monitor.registerErrorHook = (_request, done) => done(null, {});
  monitor.registerResourceHook = (_request, done) => done(null, {});
  const register = monitor.registerResource.bind(monitor);
  monitor.registerResource = (request, done) => {
    options.set(`${request.getType()} ${request.getName()}`, request);
    return register(request, done);
  };
}

/** The value of an output, whatever it takes. */
export function outputValue<T>(output: pulumi.Output<T>): Promise<T> {
  return new Promise((resolve) => {
    output.apply((value) => resolve(value));
  });
}

/** The newest image of any family, and a project's number. */
export const IMAGE_CALL = {
  "gcp:organizations/getProject:getProject": ({ projectId }: Record<string, unknown>) => ({
    projectId,
    number: "123456789012",
  }),
  "gcp:compute/getImage:getImage": ({ family, project }: Record<string, unknown>) => ({
    name: `${String(family)}-v20261101`,
    project,
  }),
};
