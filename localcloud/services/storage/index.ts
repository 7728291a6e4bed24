import type { Cloud } from "../../core/cloud.ts";
import { Router } from "../../core/http.ts";
import { aclRoutes } from "./acl.ts";
import { batchRoutes } from "./batch.ts";
import { bucketRoutes } from "./buckets.ts";
import { bulkRestoreRoutes } from "./bulk-restore.ts";
import { copyRoutes } from "./copies.ts";
import { emptyListRoutes } from "./empty-lists.ts";
import { iamRoutes } from "./iam.ts";
import { layoutRoutes } from "./layout.ts";
import { listRoutes } from "./listing.ts";
import { objectRoutes } from "./objects.ts";
import { Permissions } from "./permissions.ts";
import { resumableRoutes } from "./resumable.ts";
import type { Service } from "./service.ts";
import { storeOf } from "./store.ts";
import { uploadRoutes } from "./upload.ts";
import { xmlRoutes } from "./xml.ts";

export { type BilledBytes, billedBytes } from "./billing.ts";

/** Cloud Storage, JSON API v1. */
export function storageService(cloud: Cloud): Router {
  const router = new Router();
  const service: Service = { store: storeOf(cloud), permissions: new Permissions(cloud) };
  bucketRoutes(router, service);
  iamRoutes(router, service);
  aclRoutes(router, service);
  emptyListRoutes(router, service);
  layoutRoutes(router, service);
  listRoutes(router, service);
  objectRoutes(router, service);
  bulkRestoreRoutes(router, service);
  copyRoutes(router, service);
  uploadRoutes(router, service);
  resumableRoutes(router, service);
  xmlRoutes(router, service);
  batchRoutes(router);
  return router;
}
