import { type KubeObject, NAMESPACE } from "../objects.ts";

/** The volumes that an installation keeps its own data on, by claim: the part's name and the size. */
export const KUBEFLOW_VOLUMES = {
  "mysql-pv-claim": { part: "mysql", gb: 20 },
  "seaweedfs-pvc": { part: "seaweedfs", gb: 20 },
} as const;

export type ClaimName = keyof typeof KUBEFLOW_VOLUMES;

export interface VolumeDisks {
  zone: string;
  /** `projects/PROJECT/zones/ZONE/disks/NAME` by claim; may be known later. */
  handles: Readonly<Record<ClaimName, unknown>>;
}

/**
 * Claims are bound to disks that the program makes, instead of disks that the cluster makes by itself: those are nobody's
 * when the cluster is gone before it has deleted them. The program's own have the environment's labels, and go with it
 * whether or not the cluster still answers.
 */
export function withVolumes(objects: readonly KubeObject[], { zone, handles }: VolumeDisks): KubeObject[] {
  return objects.flatMap((object) => {
    const { name } = object.metadata;
    if (object.kind !== "PersistentVolumeClaim" || !(name in KUBEFLOW_VOLUMES)) return [object];
    const { part, gb } = KUBEFLOW_VOLUMES[name as ClaimName];
    const storage = `${gb}Gi`;
    const volumeName = `${NAMESPACE}-${part}`;
    const volume: KubeObject = {
      apiVersion: "v1",
      kind: "PersistentVolume",
      metadata: { name: volumeName },
      spec: {
        capacity: { storage },
        volumeMode: "Filesystem",
        accessModes: ["ReadWriteOnce"],
        persistentVolumeReclaimPolicy: "Retain",
        // No class, on both sides: nothing is made or chosen by itself.
        storageClassName: "",
        claimRef: { apiVersion: "v1", kind: "PersistentVolumeClaim", namespace: NAMESPACE, name },
        csi: { driver: "pd.csi.storage.gke.io", volumeHandle: handles[name as ClaimName], fsType: "ext4" },
        nodeAffinity: {
          required: {
            nodeSelectorTerms: [
              { matchExpressions: [{ key: "topology.gke.io/zone", operator: "In", values: [zone] }] },
            ],
          },
        },
      },
    };
    const spec = {
      accessModes: ["ReadWriteOnce"],
      storageClassName: "",
      volumeMode: "Filesystem",
      volumeName,
      resources: { requests: { storage } },
    };
    return [volume, { ...object, spec }];
  });
}
