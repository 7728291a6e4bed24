/** What `environment.json` says of the cluster, key `kubeflow`; absent: the environment has none. */
export interface KubeflowRecord {
  /** The GKE cluster's name. */
  cluster: string;
  /** Its zone or region. */
  location: string;
  /** Namespace of Kubeflow Pipelines, and of runs. */
  namespace: string;
  /** Where runs leave their artefacts: `gs://BUCKET/PATH`. */
  pipelineRoot: string;
  /** Release of Kubeflow Pipelines, as `2.17.0`. */
  version: string;
}
