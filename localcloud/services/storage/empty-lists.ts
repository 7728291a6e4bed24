import type { Router } from "../../core/http.ts";
import { endpoint } from "./endpoint.ts";
import { bucketOf, type Service } from "./service.ts";

/** Collections of a bucket whose members cannot be made here, so that each list is truly empty. */
const COLLECTIONS = [
  { name: "managedFolders", permission: "storage.managedFolders.list", query: "pageSize pageToken prefix" },
  { name: "anywhereCaches", permission: "storage.anywhereCaches.list", query: "pageSize pageToken" },
  { name: "notificationConfigs", permission: "storage.buckets.get", query: "" },
];

/** Clients ask for these before they delete a bucket. */
export function emptyListRoutes(router: Router, service: Service): void {
  for (const { name, permission, query } of COLLECTIONS) {
    endpoint(router, "GET", `/storage/v1/b/{bucket}/${name}`, query, (call) => {
      const bucket = bucketOf(service, call, call.params.bucket);
      service.permissions.onBucket(call.principal, permission, bucket);
      return { json: { kind: `storage#${name === "notificationConfigs" ? "notifications" : name}` } };
    });
  }
}
