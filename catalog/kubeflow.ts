// Releases of Kubeflow Pipelines that this project installs, and every image that one of them runs.
//
// Read on 2026-11-21. Commits: the repositories' own tags (`2.17.0` of kubeflow/pipelines, `v4.0.5` of
// argoproj/argo-workflows, which its manifests name as a remote base); both are plain tags of a commit. `rendered` was
// computed here from those two commits, with the kustomize releases that `KUSTOMIZE` names, all with the same result.
// Release tags of Docker's official images: docker-library/official-images, 2026-08-22.

/** One image: what the manifests say, and what is run instead. */
export interface KubeflowImage {
  /** As in the manifests, without a registry where they have none. */
  upstream: string;
  /** Registry, repository and the tag of one release. */
  pinned: string;
}

export interface KubeflowRelease {
  /** Release of Kubeflow Pipelines; its git tag has no `v`. */
  version: string;
  /** Commit of kubeflow/pipelines. */
  commit: string;
  argo: { version: string; commit: string };
  /** SHA-256 of the canonical JSON of all objects (`kubeflow/canonical.ts`), and how many those are. */
  rendered: { sha256: string; objects: number };
  images: readonly KubeflowImage[];
}

/** Releases of kustomize that were seen to render the same objects; older ones are refused. */
export const KUSTOMIZE = {
  least: "5.0.1",
  seen: ["5.0.1", "5.3.0", "5.4.3", "5.5.0", "5.6.0", "5.7.1", "5.8.1"],
} as const;

export const DEFAULT_KUBEFLOW = "2.17.0";

export const KUBEFLOW_RELEASES: Readonly<Record<string, KubeflowRelease>> = {
  "2.17.0": {
    version: "2.17.0",
    commit: "4a3592cb2dd0a91a4652ab93893ec8beda1f3158",
    argo: { version: "v4.0.5", commit: "0ab1452144d8f4d57c50b37ce50dad218868e950" },
    rendered: { sha256: "89cdf598860cc7e440f29cd7148f71d56d2b8dfc5d0a77f4edd6c7bca24f8b8e", objects: 88 },
    images: [
      ...[
        "api-server",
        "driver",
        "frontend",
        "launcher",
        "metadata-envoy",
        "metadata-writer",
        "persistence-agent",
        "scheduled-workflow-controller",
        "viewer-crd-controller",
        "visualization-server",
      ].map((name) => same(`ghcr.io/kubeflow/kfp-${name}:2.17.0`)),
      same("gcr.io/tfx-oss-public/ml_metadata_store_server:1.14.0"),
      same("ghcr.io/chrislusf/seaweedfs:4.34"),
      same("quay.io/argoproj/workflow-controller:v4.0.5"),
      same("quay.io/argoproj/argoexec:v4.0.5"),
      { upstream: "mysql:8.4", pinned: "docker.io/library/mysql:8.4.11" },
      { upstream: "docker.io/alpine:3.23", pinned: "docker.io/library/alpine:3.23.5" },
    ],
  },
};

function same(name: string): KubeflowImage {
  return { upstream: name, pinned: name };
}
