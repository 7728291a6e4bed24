import { GoogleError, notModelled } from "../../core/errors.ts";
import type { Call, Reply, Router } from "../../core/http.ts";
import { locationType } from "./locations.ts";
import { bucketOf, type Service } from "./service.ts";

const GRPC_METHOD = "/google.storage.control.v2.StorageControl/GetStorageLayout";
/** gRPC's numbers for the answers that a call may get. */
const GRPC_STATUS: Record<number, number> = { 400: 3, 401: 16, 403: 7, 404: 5, 501: 12 };

/**
 * How a bucket's objects are arranged (always flat here), by gRPC: gcsfuse asks so when it mounts, whatever protocol it
 * reads and writes by. `buckets.ts` answers the same as JSON. It needs `storage.objects.list`
 * (cloud.google.com/storage/docs/json_api/v1/buckets/getStorageLayout).
 */
export function layoutRoutes(router: Router, service: Service): void {
  router.on("POST", GRPC_METHOD, async (call) => {
    if (call.raw.httpVersionMajor !== 2) throw notModelled("gRPC over HTTP/1.1");
    try {
      const request = readText(unframed(await call.body()));
      const bucket = /^projects\/[^/]+\/buckets\/([^/]+)\/storageLayout$/.exec(request.get(1) ?? "")?.[1];
      if (bucket === undefined) throw new GoogleError(400, "invalid", `Invalid name: ${request.get(1) ?? ""}`);
      const { name, location, locationType } = layout(service, call, bucket, request.get(2) ?? "");
      const fields: [number, string][] = [
        [1, `projects/_/buckets/${name}/storageLayout`],
        [2, location],
        [3, locationType],
      ];
      return grpcReply(call, 0, "", framed(writeText(fields)));
    } catch (error) {
      if (!(error instanceof GoogleError)) throw error;
      return grpcReply(call, GRPC_STATUS[error.code] ?? 13, error.message);
    }
  });
}

function layout(service: Service, call: Call, bucketName: string | undefined, prefix: string) {
  const bucket = bucketOf(service, call, bucketName);
  service.permissions.toList(call.principal, bucket, prefix);
  const { location } = bucket.settings;
  return { name: bucket.name, location, locationType: locationType(location) ?? "region" };
}

/** Writes the answer itself: a status that comes after the body is no header. */
function grpcReply(call: Call, status: number, message: string, body?: Buffer): Reply | undefined {
  const { response } = call;
  const end = { "grpc-status": String(status), ...(message ? { "grpc-message": encodeURIComponent(message) } : {}) };
  if (body === undefined) {
    response.writeHead(200, { "content-type": "application/grpc", ...end });
    response.end();
    return undefined;
  }
  response.writeHead(200, { "content-type": "application/grpc" });
  response.addTrailers(end);
  response.end(body);
  return undefined;
}

/** A gRPC message: one byte that says that it is not compressed, its length, itself. */
function unframed(body: Buffer): Buffer {
  if (body.length < 5 || body[0] !== 0) throw notModelled("a compressed gRPC message");
  return body.subarray(5, 5 + body.readUInt32BE(1));
}

function framed(message: Buffer): Buffer {
  const head = Buffer.alloc(5);
  head.writeUInt32BE(message.length, 1);
  return Buffer.concat([head, message]);
}

/** The text fields of a protocol buffer that has no others. */
function readText(message: Buffer): Map<number, string> {
  const fields = new Map<number, string>();
  for (let at = 0; at < message.length; ) {
    const tag = message[at++] as number;
    let size = 0;
    for (let shift = 0; ; shift += 7) {
      const byte = message[at++] ?? 0;
      size |= (byte & 127) << shift;
      if (byte < 128) break;
    }
    if ((tag & 7) !== 2 || at + size > message.length) throw new GoogleError(400, "invalid", "Invalid message.");
    fields.set(tag >> 3, message.toString("utf8", at, at + size));
    at += size;
  }
  return fields;
}

/** Texts of at most 127 bytes, which names and locations of buckets are. */
function writeText(fields: readonly [number, string][]): Buffer {
  return Buffer.concat(
    fields.map(([number, text]) => {
      const bytes = Buffer.from(text);
      return Buffer.concat([Buffer.of((number << 3) | 2, bytes.length), bytes]);
    }),
  );
}
