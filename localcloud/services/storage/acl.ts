import { notModelled } from "../../core/errors.ts";
import type { Router } from "../../core/http.ts";
import { endpoint } from "./endpoint.ts";
import { invalid } from "./errors.ts";
import { bucketOf, type Service } from "./service.ts";

/** ACL methods: refused as Google does where access is uniform, and not modelled elsewhere. */
export function aclRoutes(router: Router, service: Service): void {
  const collections = ["acl", "defaultObjectAcl", "o/{object}/acl"];
  for (const collection of collections) {
    const path = `/storage/v1/b/{bucket}/${collection}`;
    for (const [method, pattern] of [
      ["GET", path],
      ["POST", path],
      ["GET", `${path}/{entity}`],
      ["PUT", `${path}/{entity}`],
      ["PATCH", `${path}/{entity}`],
      ["DELETE", `${path}/{entity}`],
    ] as const) {
      endpoint(router, method, pattern, "generation ifMetagenerationMatch ifMetagenerationNotMatch", (call) => {
        const bucket = bucketOf(service, call, call.params.bucket);
        if (!bucket.settings.uniformAccess.enabled) throw notModelled(`${method} ${call.path}`);
        throw invalid(
          "Cannot use ACL API to update bucket policy when uniform bucket-level access is enabled. " +
            "Read more at https://cloud.google.com/storage/docs/uniform-bucket-level-access",
        );
      });
    }
  }
}
