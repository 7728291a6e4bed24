"""Starts the model's server and the page's: as Deployments in the cluster, or as processes on one machine."""

from __future__ import annotations

import base64
import hashlib
import os
import re
import shutil
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

from mnist.cluster import Cluster

# What a ConfigMap holds at most, less what its other members need.
LARGEST = 1_000_000
PORT = 8080
# Both have no rights and no way out: see kubeflow/servingAccess.ts.
ACCOUNT = "served-model"


def start(component: str, files: dict[str, bytes], arguments: list[str], image: str) -> str:
    """Starts `python -m mnist.COMPONENT ARGUMENTS PORT`, with `files` in the folder `/served`; returns its address."""
    local = os.environ.get("MNIST_LOCAL")
    if local:
        return start_here(Path(local), component, files, arguments)
    if "KUBERNETES_SERVICE_HOST" not in os.environ:
        raise RuntimeError("This step starts a server: run it in a cluster, or on one machine by run_local.py.")
    return start_in(Cluster(), component, files, arguments, image)


def start_in(cluster: Cluster, component: str, files: dict[str, bytes], arguments: list[str], image: str) -> str:
    size = sum(map(len, files.values()))
    if size > LARGEST:
        raise RuntimeError(
            f"{', '.join(files)}: {size} bytes are more than a ConfigMap holds ({LARGEST}). Serve something this large "
            "from the bucket, by a service account of its own."
        )
    config, deployment, service = objects(component, cluster.namespace, files, arguments, image)
    cluster.apply(config)
    made = cluster.apply(service)
    cluster.apply(deployment)
    cluster.wait(deployment["metadata"]["name"])
    # The address, not the name: who asks needs no name server, and may reach none.
    return f"http://{made['spec']['clusterIP']}"


def objects(component: str, namespace: str, files: dict[str, bytes], arguments: list[str], image: str) -> list[dict]:
    name = f"mnist-{component}"
    labels = {"app.kubernetes.io/managed-by": "ml-training-pipeline", "app.kubernetes.io/component": component}
    metadata = {"name": name, "namespace": namespace, "labels": labels}
    digest = hashlib.sha256(b"".join(key.encode() + hashlib.sha256(files[key]).digest() for key in sorted(files)))
    probe = {"httpGet": {"path": "/healthz", "port": PORT, "httpHeaders": [{"name": "Host", "value": "localhost"}]}}
    container = {
        "name": component,
        "image": image,
        "command": ["python", "-m", module(component), *arguments, str(PORT)],
        "ports": [{"containerPort": PORT}],
        "readinessProbe": probe | {"periodSeconds": 2},
        "livenessProbe": probe | {"periodSeconds": 20, "timeoutSeconds": 5},
        "resources": {"requests": {"cpu": "20m", "memory": "96Mi"}, "limits": {"cpu": "1", "memory": "256Mi"}},
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        },
        "volumeMounts": [{"name": "served", "mountPath": "/served", "readOnly": True}],
    }
    pod = {
        # With the content, so that a new model starts new pods.
        "metadata": {"labels": labels, "annotations": {"ml-training/content": digest.hexdigest()}},
        "spec": {
            "serviceAccountName": ACCOUNT,
            "automountServiceAccountToken": False,
            "enableServiceLinks": False,
            "securityContext": {
                "runAsNonRoot": True,
                "runAsUser": 10001,
                "runAsGroup": 10001,
                "seccompProfile": {"type": "RuntimeDefault"},
            },
            "containers": [container],
            "volumes": [{"name": "served", "configMap": {"name": name}}],
        },
    }
    return [
        {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": metadata,
            "binaryData": {key: base64.b64encode(data).decode() for key, data in files.items()},
        },
        {
            "apiVersion": "apps/v1",
            "kind": "Deployment",
            "metadata": metadata,
            "spec": {"replicas": 1, "selector": {"matchLabels": labels}, "template": pod},
        },
        {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": metadata,
            "spec": {
                "type": "ClusterIP",
                "selector": labels,
                "ports": [{"name": "http", "port": 80, "targetPort": PORT, "protocol": "TCP"}],
            },
        },
    ]


def module(component: str) -> str:
    return f"mnist.{component.replace('-', '_')}"


def start_here(local: Path, component: str, files: dict[str, bytes], arguments: list[str]) -> str:
    """A process of its own, that outlives the step and ends with MNIST_PARENT; its number is kept in `COMPONENT.pid`."""
    folder = local / component
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    for name, data in files.items():
        (folder / name).write_bytes(data)
    arguments = [argument.replace("/served", str(folder)) for argument in arguments]
    port = os.environ.get("MNIST_PAGE_PORT", "0") if component == "web-ui" else "0"
    log = folder / "log"
    with open(log, "wb") as output:
        child = subprocess.Popen(
            [sys.executable, "-m", module(component), *arguments, port],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    (local / f"{component}.pid").write_text(str(child.pid))
    end = time.monotonic() + 60
    while time.monotonic() < end and child.poll() is None:
        found = re.search(r"listening on port (\d+)", log.read_text(errors="replace"))
        if found:
            address = f"http://127.0.0.1:{found[1]}"
            opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
            with opener.open(f"{address}/healthz", timeout=10):
                return address
        time.sleep(0.1)
    child.kill()
    raise RuntimeError(f"{component} did not start:\n{log.read_text(errors='replace')[-2000:]}")
