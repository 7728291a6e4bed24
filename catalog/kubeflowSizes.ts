// What a release of Kubeflow Pipelines takes of a cluster: counted on 2026-11-21 from the manifests of its tag
// (`env/platform-agnostic`: 0.7 vCPUs and 3.1 GiB are requested), with what this program requests for the containers that
// request nothing, rounded up. Its volumes have the default storage class, which GKE makes pd-balanced disks of.

export const READ = "2026-11-21";

export interface KubeflowSize {
  /** vCPUs and GiB that its pods request, together. */
  requests: { cpu: number; memory: number };
  /** GiB of its persistent volumes. */
  volumesGb: readonly number[];
}

/** By release. */
export const KUBEFLOW_SIZES: Readonly<Record<string, KubeflowSize>> = {
  "2.17.0": { requests: { cpu: 1.1, memory: 4.0 }, volumesGb: [20, 20] },
};

/** vCPUs and GiB that a run's step must find free beside Kubeflow itself: a launcher and a small training. */
export const ONE_STEP = { cpu: 0.5, memory: 1.0 } as const;
