import grpc, { type UntypedServiceImplementation } from "@grpc/grpc-js";
import engineServices from "@pulumi/pulumi/proto/engine_grpc_pb.js";
import engineProto from "@pulumi/pulumi/proto/engine_pb.js";
import pluginProto from "@pulumi/pulumi/proto/plugin_pb.js";
import services from "@pulumi/pulumi/proto/provider_grpc_pb.js";
import proto from "@pulumi/pulumi/proto/provider_pb.js";
import empty from "google-protobuf/google/protobuf/empty_pb.js";
import { answer, type GrpcCall as Call, serve } from "../../grpc.ts";
import type { ProviderServer } from "../gcp/server.ts";
import { checked, difference, handshake, plainProps as props, struct } from "../protocol.ts";
import { changesOf, create, previewed, problemsOf, remove, type Surroundings, TOKEN, update } from "./command.ts";

const VERSION = "1.2.1";

export interface CommandProviderOptions {
  /** Where commands without `dir` run. The real plugin runs in the Pulumi program's folder. @default process.cwd() */
  folder?: string;
  /** What commands find in their environment. @default process.env */
  environment?: Readonly<Record<string, string | undefined>>;
}

interface Connection {
  cancelled: AbortController;
  engine?: EngineClient;
}

type EngineClient = InstanceType<typeof engineServices.EngineClient>;

/**
 * Starts the provider of `command:local:Command` on a free port of the loopback. Engines attach to it by
 * `PULUMI_DEBUG_PROVIDERS`; several may share it, each with the connection that it dialled.
 */
export async function startCommandProvider(options: CommandProviderOptions = {}): Promise<ProviderServer> {
  const connections = new Map<string, Connection>();
  const server = await serve(services.ResourceProviderService, handlers(connections, options));
  return {
    ...server,
    attach: `command:${server.port}`,
    async close() {
      for (const { cancelled, engine } of connections.values()) {
        cancelled.abort();
        engine?.close();
      }
      await server.close();
    },
  };
}

function handlers(
  connections: Map<string, Connection>,
  { folder = process.cwd(), environment = process.env }: CommandProviderOptions,
): UntypedServiceImplementation {
  const connection = (call: Call<unknown>): Connection => {
    const known = connections.get(call.getPeer());
    if (known) return known;
    const made: Connection = { cancelled: new AbortController() };
    connections.set(call.getPeer(), made);
    return made;
  };
  const surroundings = (call: Call<unknown>, urn: string): Surroundings => {
    const { engine, cancelled } = connection(call);
    return { folder, environment, signal: cancelled.signal, log: (line) => log(engine, urn, line) };
  };

  return {
    handshake: answer(async () => handshake({ secrets: true })),
    attach: answer(async (call: Call<InstanceType<typeof pluginProto.PluginAttach>>) => {
      const address = call.request.getAddress();
      if (address) {
        connection(call).engine = new engineServices.EngineClient(address, grpc.credentials.createInsecure());
      }
      return new empty.Empty();
    }),
    cancel: answer(async (call: Call<unknown>) => {
      connection(call).cancelled.abort();
      return new empty.Empty();
    }),
    getPluginInfo: answer(async () => {
      const info = new pluginProto.PluginInfo();
      info.setVersion(VERSION);
      return info;
    }),
    getSchema: answer(async () => {
      const response = new proto.GetSchemaResponse();
      response.setSchema(JSON.stringify({ name: "command", version: VERSION, resources: {} }));
      return response;
    }),
    checkConfig: answer(async ({ request }: Call<InstanceType<typeof proto.CheckRequest>>) =>
      checked(props(request.getNews()), []),
    ),
    diffConfig: answer(async () => difference([], false)),
    configure: answer(async () => {
      const response = new proto.ConfigureResponse();
      response.setSupportspreview(true);
      response.setAcceptsecrets(true);
      return response;
    }),
    check: answer(async ({ request }: Call<InstanceType<typeof proto.CheckRequest>>) => {
      only(request.getUrn());
      const news = props(request.getNews());
      return checked(news, problemsOf(news));
    }),
    diff: answer(async ({ request }: Call<InstanceType<typeof proto.DiffRequest>>) => {
      const olds = props(request.hasOldInputs() ? request.getOldInputs() : request.getOlds());
      return difference(changesOf(olds, props(request.getNews())), false);
    }),
    create: answer(async (call: Call<InstanceType<typeof proto.CreateRequest>>) => {
      const { request } = call;
      const [urn, inputs] = [request.getUrn(), props(request.getProperties())];
      const response = new proto.CreateResponse();
      if (request.getPreview()) {
        response.setProperties(struct(previewed(inputs)));
        return response;
      }
      const made = await create(nameOf(urn), inputs, surroundings(call, urn));
      response.setId(made.id);
      response.setProperties(struct(made.outputs));
      return response;
    }),
    read: answer(async ({ request }: Call<InstanceType<typeof proto.ReadRequest>>) => {
      // There is nothing to look at: a command's traces are its own affair.
      const response = new proto.ReadResponse();
      response.setId(request.getId());
      response.setProperties(request.getProperties());
      response.setInputs(request.getInputs());
      return response;
    }),
    update: answer(async (call: Call<InstanceType<typeof proto.UpdateRequest>>) => {
      const { request } = call;
      const [urn, news] = [request.getUrn(), props(request.getNews())];
      const response = new proto.UpdateResponse();
      const outputs = request.getPreview()
        ? previewed(news)
        : await update(props(request.getOlds()), news, surroundings(call, urn));
      response.setProperties(struct(outputs));
      return response;
    }),
    delete: answer(async (call: Call<InstanceType<typeof proto.DeleteRequest>>) => {
      const urn = call.request.getUrn();
      await remove(props(call.request.getProperties()), surroundings(call, urn));
      return new empty.Empty();
    }),
    invoke: answer(async ({ request }: Call<InstanceType<typeof proto.InvokeRequest>>) => {
      throw new Error(`The attached command provider does not know the function ${request.getTok()}`);
    }),
  };
}

/** The type in a URN: `urn:pulumi:stack::project::parent$type::name`. */
function only(urn: string): void {
  const token = urn.split("::")[2]?.split("$").pop();
  if (token === TOKEN) return;
  throw new Error(`The attached command provider knows ${TOKEN} only, not ${token}; Pulumi's own command plugin does`);
}

function nameOf(urn: string): string {
  return urn.split("::").slice(3).join("::");
}

/** A line of the command beside its resource, as long as it runs. */
function log(engine: EngineClient | undefined, urn: string, line: string): void {
  if (!engine) return;
  const request = new engineProto.LogRequest();
  request.setSeverity(engineProto.LogSeverity.INFO);
  request.setUrn(urn);
  request.setMessage(line);
  request.setStreamid(0);
  request.setEphemeral(true);
  engine.log(request, () => undefined);
}
