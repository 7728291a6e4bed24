import { rmSync } from "node:fs";
import { join } from "node:path";
import { notModelled } from "../../core/errors.ts";
import { type Call, parseJson, type Reply, type Router } from "../../core/http.ts";
import { draftOf, INSERT_QUERY, uploadTypeMissing } from "./draft.ts";
import { endpoint } from "./endpoint.ts";
import { boundaryOf, RelatedParts } from "./multipart.ts";
import { objectJson } from "./object-record.ts";
import { type Claims, claims, Digest, PayloadWriter, verify } from "./payload.ts";
import { checkPut, type Draft, putObject } from "./put-object.ts";
import { header } from "./query.ts";
import { proceed, startResumable } from "./resumable.ts";
import { bucketOf, type Service } from "./service.ts";

/** Uploads in one request, and the start of resumable ones. */
export function uploadRoutes(router: Router, service: Service): void {
  const upload = (call: Call): Promise<Reply> => {
    switch (call.query.get("uploadType")) {
      case "media":
        return uploadMedia(service, call);
      case "multipart":
        return uploadMultipart(service, call);
      case "resumable":
        // Some clients (gcsfs) go on with POST where Google's documentation says PUT; Google takes both.
        return call.query.has("upload_id") ? proceed(service, call) : startResumable(service, call);
      default:
        throw uploadTypeMissing();
    }
  };
  for (const root of ["/upload", "/resumable/upload"]) {
    endpoint(router, "POST", `${root}/storage/v1/b/{bucket}/o`, INSERT_QUERY, upload);
  }
}

async function uploadMedia(service: Service, call: Call): Promise<Reply> {
  const bucket = bucketOf(service, call, call.params.bucket);
  const draft = draftOf(call, bucket, {}, header(call, "content-type"));
  const encoding = header(call, "content-encoding");
  if (encoding && !draft.metadata.contentEncoding) draft.metadata.contentEncoding = encoding;
  return receive(service, call, draft, call.raw);
}

async function uploadMultipart(service: Service, call: Call): Promise<Reply> {
  const bucket = bucketOf(service, call, call.params.bucket);
  const parts = new RelatedParts(call.raw, boundaryOf(header(call, "content-type")));
  const metadata = await parts.metadata();
  const body = parseJson<Record<string, unknown>>(Buffer.from(metadata.text));
  const headers = await parts.contentHeaders();
  const encoding = headers["content-transfer-encoding"];
  if (encoding && !/^(binary|8bit|7bit)$/i.test(encoding)) throw notModelled(`content-transfer-encoding: ${encoding}`);
  return receive(service, call, draftOf(call, bucket, body, headers["content-type"]), parts.content());
}

/** Takes the content in and makes the object; an upload that breaks off leaves nothing. */
async function receive(
  service: Service,
  call: Call,
  draft: Draft & { claims: Claims },
  content: AsyncIterable<unknown>,
): Promise<Reply> {
  checkPut(service, call.principal, draft);
  const file = join(service.store.incoming, service.store.newPayload());
  const digest = new Digest();
  const writer = new PayloadWriter(file, digest);
  try {
    try {
      for await (const chunk of content) writer.write(chunk as Buffer);
    } finally {
      writer.close();
    }
    const checksums = digest.result();
    verify(checksums, claims(header(call, "x-goog-hash"), header(call, "content-md5"), draft.claims));
    return { json: objectJson(putObject(service, call.principal, draft, checksums, file), call.origin) };
  } catch (error) {
    rmSync(file, { force: true });
    throw error;
  }
}
