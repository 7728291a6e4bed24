import { expand } from "../permissions.ts";
import { of, PROJECT_READ, type RoleTable } from "./definition.ts";

const METRICS_READ = [
  "monitoring.metricDescriptors.list",
  "monitoring.monitoredResourceDescriptors.list",
  "monitoring.timeSeries.list",
];

const OBJECT_USE = [
  "storage.folders.*",
  "storage.managedFolders.create",
  "storage.managedFolders.delete",
  "storage.managedFolders.get",
  "storage.managedFolders.list",
  "storage.multipartUploads.*",
];

const BUCKET_READ = [
  "storage.buckets.get",
  "storage.folders.get",
  "storage.folders.list",
  "storage.managedFolders.get",
  "storage.managedFolders.list",
  "storage.multipartUploads.list",
  "storage.objects.list",
];

const CONTEXTS = ["storage.objects.createContext", "storage.objects.deleteContext", "storage.objects.updateContext"];

export const STORAGE_ROLES: RoleTable = {
  "roles/storage.admin": {
    title: "Storage Admin",
    permissions: () =>
      new Set(
        [...expand("storage.*", ...PROJECT_READ, ...METRICS_READ), "monitoring.timeSeries.create"].filter(
          (name) => !name.startsWith("storage.hmacKeys."),
        ),
      ),
  },
  "roles/storage.objectAdmin": of(
    "Storage Object Admin",
    "storage.objects.*",
    ...OBJECT_USE,
    "monitoring.timeSeries.create",
    ...PROJECT_READ,
  ),
  "roles/storage.objectUser": {
    title: "Storage Object User",
    permissions: () =>
      new Set(
        [...expand("storage.objects.*", ...OBJECT_USE, "monitoring.timeSeries.create", ...PROJECT_READ)].filter(
          (name) =>
            !/^storage\.objects\.(getIamPolicy|setIamPolicy|overrideUnlockedRetention|setRetention)$/.test(name),
        ),
      ),
  },
  "roles/storage.objectCreator": of(
    "Storage Object Creator",
    "storage.objects.create",
    "storage.objects.createContext",
    "storage.folders.create",
    "storage.managedFolders.create",
    "storage.multipartUploads.abort",
    "storage.multipartUploads.create",
    "storage.multipartUploads.listParts",
    ...PROJECT_READ,
  ),
  "roles/storage.objectViewer": of(
    "Storage Object Viewer",
    "storage.objects.get",
    "storage.objects.list",
    "storage.folders.get",
    "storage.folders.list",
    "storage.managedFolders.get",
    "storage.managedFolders.list",
    ...PROJECT_READ,
  ),
  "roles/storage.bucketViewer": of("Storage Bucket Viewer", "storage.buckets.get", "storage.buckets.list"),
  "roles/storage.legacyBucketReader": of("Storage Legacy Bucket Reader", ...BUCKET_READ),
  "roles/storage.legacyBucketWriter": of(
    "Storage Legacy Bucket Writer",
    ...BUCKET_READ,
    "storage.folders.*",
    "storage.managedFolders.create",
    "storage.managedFolders.delete",
    "storage.multipartUploads.*",
    "storage.objects.create",
    "storage.objects.createContext",
    "storage.objects.delete",
    "storage.objects.restore",
    "storage.objects.setRetention",
  ),
  "roles/storage.legacyBucketOwner": of(
    "Storage Legacy Bucket Owner",
    ...BUCKET_READ,
    "storage.anywhereCaches.*",
    "storage.bucketOperations.*",
    "storage.buckets.enableObjectRetention",
    "storage.buckets.getIamPolicy",
    "storage.buckets.getIpFilter",
    "storage.buckets.relocate",
    "storage.buckets.restore",
    "storage.buckets.setIamPolicy",
    "storage.buckets.setIpFilter",
    "storage.buckets.update",
    "storage.folders.*",
    "storage.managedFolders.*",
    "storage.multipartUploads.*",
    "storage.objects.create",
    ...CONTEXTS,
    "storage.objects.delete",
    "storage.objects.restore",
    "storage.objects.setRetention",
  ),
  "roles/storage.legacyObjectReader": of("Storage Legacy Object Reader", "storage.objects.get"),
  "roles/storage.legacyObjectOwner": of(
    "Storage Legacy Object Owner",
    ...CONTEXTS,
    "storage.objects.get",
    "storage.objects.getIamPolicy",
    "storage.objects.overrideUnlockedRetention",
    "storage.objects.setIamPolicy",
    "storage.objects.setRetention",
    "storage.objects.update",
  ),
};
