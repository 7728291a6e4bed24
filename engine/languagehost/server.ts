import { type ChildProcess, spawn } from "node:child_process";
import { createRequire } from "node:module";
import { join } from "node:path";
import { createInterface } from "node:readline";
import grpc from "@grpc/grpc-js";
import engineServices from "@pulumi/pulumi/proto/engine_grpc_pb.js";
import engineProto from "@pulumi/pulumi/proto/engine_pb.js";
import services from "@pulumi/pulumi/proto/language_grpc_pb.js";
import proto from "@pulumi/pulumi/proto/language_pb.js";
import pluginProto from "@pulumi/pulumi/proto/plugin_pb.js";
import empty from "google-protobuf/google/protobuf/empty_pb.js";
import { answer, type GrpcCall, serve } from "../grpc.ts";

export interface LanguageHost {
  port: number;
  /** `nodejs:PORT`, for `PULUMI_DEBUG_LANGUAGES`. */
  attach: string;
  close(): Promise<void>;
}

export interface LanguageHostOptions {
  /** The Node that runs programs; default: the one that runs this. */
  node?: string;
  /** Environment of the programs, beside Pulumi's own variables. */
  environment?: NodeJS.ProcessEnv;
}

/** A program that ends so has told the user what to do: Pulumi adds nothing. */
const USER_HAS_BEEN_TOLD = 32;

type RunRequest = InstanceType<typeof proto.RunRequest>;

/**
 * Starts a language host for Node.js on a free port of the loopback. It runs a project's program as Pulumi's own host
 * does, so that plain `pulumi preview` and `pulumi up` of a folder work where that host is not installed.
 */
export async function startLanguageHost(options: LanguageHostOptions = {}): Promise<LanguageHost> {
  const engines = new Map<string, string>();
  const running = new Set<ChildProcess>();
  const server = await serve(services.LanguageRuntimeService, {
    handshake: answer(async (call: Handshake) => {
      engines.set(call.getPeer(), call.request.getEngineAddress());
      return new proto.LanguageHandshakeResponse();
    }),
    getPluginInfo: answer(async () => {
      const info = new pluginProto.PluginInfo();
      info.setVersion("3.270.0");
      return info;
    }),
    getRequiredPlugins: answer(async () => new proto.GetRequiredPluginsResponse()),
    getRequiredPackages: answer(async () => new proto.GetRequiredPackagesResponse()),
    runtimeOptionsPrompts: answer(async () => new proto.RuntimeOptionsResponse()),
    getProgramDependencies: answer(async () => new proto.GetProgramDependenciesResponse()),
    installDependencies: installed,
    about: answer(async () => {
      const response = new proto.AboutResponse();
      response.setExecutable(options.node ?? process.execPath);
      response.setVersion(process.version);
      return response;
    }),
    run: answer(async (call: GrpcCall<RunRequest>) =>
      runProgram(call.request, engines.get(call.getPeer()) ?? "", options, running),
    ),
    cancel: answer(async () => {
      for (const child of running) child.kill("SIGINT");
      return new empty.Empty();
    }),
  });
  return {
    port: server.port,
    attach: `nodejs:${server.port}`,
    async close() {
      for (const child of running) child.kill("SIGKILL");
      await server.close();
    },
  };
}

type Handshake = GrpcCall<InstanceType<typeof proto.LanguageHandshakeRequest>>;

/** Dependencies are npm's affair here: what is asked for counts as installed. */
const installed = ((call: grpc.ServerWritableStream<unknown, unknown>) => {
  call.end();
}) as unknown as grpc.UntypedHandleCall;

async function runProgram(
  request: RunRequest,
  engineAddress: string,
  options: LanguageHostOptions,
  running: Set<ChildProcess>,
): Promise<InstanceType<typeof proto.RunResponse>> {
  const response = new proto.RunResponse();
  const info = request.getInfo();
  const folder = info?.getProgramDirectory() || request.getPwd();
  const settings = (info?.getOptions()?.toJavaScript() ?? {}) as Record<string, unknown>;
  const environment = {
    ...(options.environment ?? process.env),
    PULUMI_CONFIG: JSON.stringify(oldKeys(request.getConfigMap())),
    PULUMI_CONFIG_SECRET_KEYS: JSON.stringify(request.getConfigsecretkeysList()),
    ...(settings.typescript === false ? {} : { PULUMI_NODEJS_TYPESCRIPT: "true" }),
    ...(typeof settings.tsconfig === "string" ? { PULUMI_NODEJS_TSCONFIG_PATH: settings.tsconfig } : {}),
  };
  const nodeArguments = words(String(settings.nodeargs ?? ""));
  const main = createRequire(join(folder, "package.json")).resolve("@pulumi/pulumi/cmd/run/index.js");
  const args = [...nodeArguments, join(main, ".."), ...programArguments(request, engineAddress, folder)];
  const child = spawn(options.node ?? process.execPath, args, { cwd: folder, env: environment });
  running.add(child);
  relay(child, engineAddress);
  const code = await new Promise<number | string>((resolve) => {
    child.on("error", (error) => resolve(error.message));
    child.on("close", (exit, signal) => resolve(exit ?? `signal ${signal}`));
  });
  running.delete(child);
  if (code === USER_HAS_BEEN_TOLD) response.setBail(true);
  else if (code !== 0) response.setError(`Program exited with non-zero exit code: ${code}`);
  return response;
}

function programArguments(request: RunRequest, engineAddress: string, folder: string): string[] {
  const info = request.getInfo();
  const flags = {
    monitor: request.getMonitorAddress(),
    engine: engineAddress,
    organization: request.getOrganization(),
    project: request.getProject(),
    "root-directory": info?.getRootDirectory() ?? folder,
    stack: request.getStack(),
    pwd: folder,
  };
  const args = Object.entries(flags).flatMap(([name, value]) => (value === "" ? [] : [`--${name}`, value]));
  if (request.getDryrun()) args.push("--dry-run");
  args.push("--parallel", String(request.getParallel()), info?.getEntryPoint() || request.getProgram() || ".");
  return [...args, ...request.getArgsList()];
}

/** Programs are given their settings under the keys that Pulumi once used: `gcp:config:project`. */
function oldKeys(config: { forEach(each: (value: string, key: string) => void): void }): Record<string, string> {
  const old: Record<string, string> = {};
  config.forEach((value, key) => {
    old[key.replace(/^([^:]+):(?:config:)?(.+)$/, "$1:config:$2")] = value;
  });
  return old;
}

/** What a program prints reaches the person through the engine, line by line. */
function relay(child: ChildProcess, engineAddress: string): void {
  if (engineAddress === "") return;
  const engine = new engineServices.EngineClient(engineAddress, grpc.credentials.createInsecure());
  const { INFO, WARNING } = engineProto.LogSeverity;
  for (const [stream, severity] of [
    [child.stdout, INFO],
    [child.stderr, WARNING],
  ] as const) {
    if (!stream) continue;
    createInterface({ input: stream }).on("line", (line) => {
      const log = new engineProto.LogRequest();
      log.setSeverity(severity);
      log.setMessage(line);
      engine.log(log, () => {});
    });
  }
  child.on("close", () => setTimeout(() => engine.close(), 1000).unref());
}

/** The words of a command line, as a shell would part them. */
export function words(text: string): string[] {
  return [...text.matchAll(/"([^"]*)"|'([^']*)'|(\S+)/g)].map(
    ([, double, single, plain]) => double ?? single ?? plain ?? "",
  );
}
