import type { UntypedServiceImplementation } from "@grpc/grpc-js";
import pluginProto from "@pulumi/pulumi/proto/plugin_pb.js";
import services from "@pulumi/pulumi/proto/provider_grpc_pb.js";
import proto from "@pulumi/pulumi/proto/provider_pb.js";
import empty from "google-protobuf/google/protobuf/empty_pb.js";
import { answer, type GrpcCall as Call, serve } from "../../grpc.ts";
import { checked, difference, handshake, plainProps, struct } from "../protocol.ts";
import { type Configuration, configurationProblems, configure, type Environment } from "./configuration.ts";
import { invoke } from "./invoke.ts";
import { check, create, diff, read, remove, update } from "./provider.ts";
import { type Props, withoutSecrets } from "./values.ts";

export interface ProviderServer {
  port: number;
  /** `gcp:PORT`, for `PULUMI_DEBUG_PROVIDERS`. */
  attach: string;
  close(): Promise<void>;
}

/**
 * Starts the gcp provider on a free port of the loopback. Engines attach to it by `PULUMI_DEBUG_PROVIDERS`. Each
 * engine dials a connection of its own for every provider of its stack and configures it: the configuration belongs
 * to the connection, so that many engines may share one server.
 *
 * @param environment what an engine's configuration leaves open (endpoints, project, token) is read from here
 */
export async function startGcpProvider(environment: Environment = process.env): Promise<ProviderServer> {
  const connections = new Map<string, Configuration>();
  const server = await serve(services.ResourceProviderService, handlers(connections, environment));
  return { ...server, attach: `gcp:${server.port}` };
}

function handlers(connections: Map<string, Configuration>, environment: Environment): UntypedServiceImplementation {
  const configured = (call: Call<unknown>): Configuration => {
    const found = connections.get(call.getPeer());
    if (!found) throw new Error("The engine used the gcp provider before it configured it");
    return found;
  };

  return {
    handshake: answer(async () => handshake({ secrets: false })),
    attach: answer(async () => new empty.Empty()),
    cancel: answer(async () => new empty.Empty()),
    getPluginInfo: answer(async () => {
      const info = new pluginProto.PluginInfo();
      info.setVersion("9.37.0");
      return info;
    }),
    getSchema: answer(async () => {
      const response = new proto.GetSchemaResponse();
      response.setSchema(JSON.stringify({ name: "gcp", version: "9.37.0", resources: {} }));
      return response;
    }),
    checkConfig: answer(async ({ request }: Call<InstanceType<typeof proto.CheckRequest>>) => {
      const news = props(request.getNews());
      return checked(news, configurationProblems(news));
    }),
    diffConfig: answer(async ({ request }: Call<InstanceType<typeof proto.DiffRequest>>) => {
      // Another project's provider is another provider: its resources are replaced one by one by their own diffs.
      const [olds, news] = [props(request.getOldInputs() ?? request.getOlds()), props(request.getNews())];
      const names = new Set([...Object.keys(olds), ...Object.keys(news)]);
      const changed = [...names].filter((name) => JSON.stringify(olds[name]) !== JSON.stringify(news[name]));
      return difference(
        changed.map((path) => ({ path, kind: "update", replace: false })),
        false,
      );
    }),
    configure: answer(async (call: Call<InstanceType<typeof proto.ConfigureRequest>>) => {
      connections.set(call.getPeer(), configure(props(call.request.getArgs()), environment));
      const response = new proto.ConfigureResponse();
      response.setSupportspreview(true);
      response.setAcceptsecrets(false);
      return response;
    }),
    check: answer(async (call: Call<InstanceType<typeof proto.CheckRequest>>) => {
      const { request } = call;
      const seed = request.getRandomseed_asU8();
      const { inputs, problems } = check(
        configured(call),
        request.getUrn(),
        seed,
        props(request.getOlds()),
        props(request.getNews()),
      );
      return checked(inputs, problems);
    }),
    diff: answer(async (call: Call<InstanceType<typeof proto.DiffRequest>>) => {
      const { request } = call;
      const outputs = props(request.getOlds());
      const olds = request.hasOldInputs() ? props(request.getOldInputs()) : outputs;
      const found = await diff(configured(call), request.getUrn(), olds, outputs, props(request.getNews()));
      return difference(found.changes, found.deleteBeforeReplace);
    }),
    create: answer(async (call: Call<InstanceType<typeof proto.CreateRequest>>) => {
      const { request } = call;
      const inputs = props(request.getProperties());
      const made = await create(configured(call), request.getUrn(), inputs, request.getTimeout(), request.getPreview());
      const response = new proto.CreateResponse();
      response.setId(made.id);
      response.setProperties(struct(made.outputs));
      return response;
    }),
    read: answer(async (call: Call<InstanceType<typeof proto.ReadRequest>>) => {
      const { request } = call;
      const [outputs, inputs] = [props(request.getProperties()), props(request.getInputs())];
      const found = await read(configured(call), request.getUrn(), request.getId(), outputs, inputs);
      const response = new proto.ReadResponse();
      if (!found) return response;
      response.setId(found.id);
      response.setProperties(struct(found.outputs));
      response.setInputs(struct(found.inputs));
      return response;
    }),
    update: answer(async (call: Call<InstanceType<typeof proto.UpdateRequest>>) => {
      const { request } = call;
      const outputs = props(request.getOlds());
      const olds = request.hasOldInputs() ? props(request.getOldInputs()) : outputs;
      const response = new proto.UpdateResponse();
      const [urn, id, news] = [request.getUrn(), request.getId(), props(request.getNews())];
      const updated = await update(
        configured(call),
        urn,
        id,
        olds,
        outputs,
        news,
        request.getTimeout(),
        request.getPreview(),
      );
      response.setProperties(struct(updated));
      return response;
    }),
    delete: answer(async (call: Call<InstanceType<typeof proto.DeleteRequest>>) => {
      const { request } = call;
      const [inputs, outputs] = [props(request.getOldInputs()), props(request.getProperties())];
      await remove(configured(call), request.getUrn(), request.getId(), inputs, outputs, request.getTimeout());
      return new empty.Empty();
    }),
    invoke: answer(async (call: Call<InstanceType<typeof proto.InvokeRequest>>) => {
      const response = new proto.InvokeResponse();
      response.setReturn(struct(await invoke(configured(call), call.request.getTok(), props(call.request.getArgs()))));
      return response;
    }),
  };
}

function props(value: unknown): Props {
  return withoutSecrets(plainProps(value)) as Props;
}
