import grpc from "@grpc/grpc-js";

export interface GrpcCall<Request> {
  request: Request;
  getPeer(): string;
}

/** Turns an async answer into a gRPC handler; an error becomes its message, without a stack. */
export function answer<Request, Response>(
  work: (call: GrpcCall<Request>) => Promise<Response>,
): grpc.UntypedHandleCall {
  return ((call: GrpcCall<Request>, respond: grpc.sendUnaryData<Response>) => {
    work(call).then(
      (response) => respond(null, response),
      (error: unknown) => {
        const details = error instanceof Error ? error.message : String(error);
        respond({ code: grpc.status.UNKNOWN, details });
      },
    );
  }) as unknown as grpc.UntypedHandleCall;
}

export interface GrpcServer {
  port: number;
  close(): Promise<void>;
}

/** Serves on a free port of the loopback. */
export async function serve(service: unknown, handlers: grpc.UntypedServiceImplementation): Promise<GrpcServer> {
  const server = new grpc.Server({ "grpc.max_receive_message_length": 64 * 1024 * 1024 });
  server.addService(service as grpc.ServiceDefinition, handlers);
  const port = await new Promise<number>((resolve, reject) => {
    server.bindAsync("127.0.0.1:0", grpc.ServerCredentials.createInsecure(), (error, bound) =>
      error ? reject(error) : resolve(bound),
    );
  });
  const close = async () => server.forceShutdown();
  return { port, close };
}
