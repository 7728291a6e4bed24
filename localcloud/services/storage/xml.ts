import { GoogleError, notModelled } from "../../core/errors.ts";
import type { Call, Reply, Router } from "../../core/http.ts";
import { download } from "./download.ts";
import { checkPreconditions } from "./preconditions.ts";
import { header, integer } from "./query.ts";
import { bucketOf, objectOf, type Service } from "./service.ts";

/**
 * The one part of the XML API that is modelled: reading an object, as Google's Go client (gcsfuse) does it whatever API
 * it uses for everything else. `hosts.ts` turns `https://storage.googleapis.com/BUCKET/OBJECT` into these paths.
 */
export function xmlRoutes(router: Router, service: Service): void {
  for (const method of ["GET", "HEAD"]) {
    router.on(method, "/storage-xml/{bucket}/{object}", (call) => {
      try {
        return read(service, call);
      } catch (error) {
        if (!(error instanceof GoogleError) || error.code === 401 || error.code === 501) throw error;
        return refusal(error);
      }
    });
  }
}

function read(service: Service, call: Call): Reply {
  for (const name of call.query.keys()) {
    if (name !== "generation") throw notModelled(`the query parameter ${name} of the XML API's ${call.method}`);
  }
  const bucket = bucketOf(service, call, call.params.bucket);
  const generation = integer(call.query, "generation");
  const object = objectOf(service, call, "storage.objects.get", bucket, call.params.object as string, generation);
  checkPreconditions(
    {
      generationMatch: condition(call, "generation"),
      metagenerationMatch: condition(call, "metageneration"),
    },
    object,
    true,
  );
  const reply = download(call, object, service.store.contents(bucket).file(object));
  return call.method === "HEAD" ? { ...reply, body: "" } : reply;
}

function condition(call: Call, what: string): number | undefined {
  const name = `x-goog-if-${what}-match`;
  const value = header(call, name);
  return value === undefined ? undefined : integer(new URLSearchParams([[name, value]]), name);
}

/** Google's words for errors of the XML API (cloud.google.com/storage/docs/xml-api/reference-status). */
function refusal(error: GoogleError): Reply {
  const missing = /^The specified bucket /.test(error.message) ? "NoSuchBucket" : "NoSuchKey";
  const words: Record<number, string> = {
    400: "InvalidArgument",
    403: "AccessDenied",
    404: missing,
    412: "PreconditionFailed",
    416: "InvalidRange",
  };
  const code = words[error.code] ?? "InternalError";
  const message = error.message.replace(/[<>&]/g, (character) => `&#${character.charCodeAt(0)};`);
  const body = `<?xml version='1.0' encoding='UTF-8'?><Error><Code>${code}</Code><Message>${message}</Message></Error>`;
  return { status: error.code, headers: { "content-type": "application/xml; charset=UTF-8" }, body };
}
