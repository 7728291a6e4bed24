"""Puts objects into the cluster that a step runs in, with the step's own service account."""

from __future__ import annotations

import json
import os
import ssl
import time
import urllib.error
import urllib.parse
import urllib.request
from pathlib import Path

# What Kubernetes mounts into each pod that has a service account.
ACCOUNT = "/var/run/secrets/kubernetes.io/serviceaccount"
PATHS = {"ConfigMap": "/api/v1", "Service": "/api/v1", "Deployment": "/apis/apps/v1", "Pod": "/api/v1"}
# An image with these will not come by waiting.
HOPELESS = ("ErrImageNeverPull", "InvalidImageName", "ImagePullBackOff", "CreateContainerConfigError", "CrashLoopBackOff")


class ClusterError(Exception):
    """What the cluster refused, or what did not start in it."""


class Cluster:
    def __init__(self) -> None:
        account = Path(os.environ.get("MNIST_SERVICE_ACCOUNT", ACCOUNT))
        host, port = os.environ["KUBERNETES_SERVICE_HOST"], os.environ["KUBERNETES_SERVICE_PORT"]
        self.url = f"https://{f'[{host}]' if ':' in host else host}:{port}"
        self.token = account / "token"
        self.namespace = (account / "namespace").read_text().strip()
        context = ssl.create_default_context(cafile=str(account / "ca.crt"))
        self.opener = urllib.request.build_opener(
            urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=context)
        )

    def call(self, method: str, path: str, body: object = None, kind: str = "application/json") -> dict:
        # The token is changed while the pod runs.
        headers = {"authorization": f"Bearer {self.token.read_text().strip()}", "accept": "application/json"}
        data = None
        if body is not None:
            data = json.dumps(body).encode()
            headers["content-type"] = kind
        request = urllib.request.Request(self.url + path, data=data, headers=headers, method=method)
        try:
            with self.opener.open(request, timeout=30) as answer:
                return json.loads(answer.read())
        except urllib.error.HTTPError as error:
            with error:
                said = error.read(65_536).decode(errors="replace")
            try:
                said = json.loads(said)["message"]
            except (ValueError, KeyError, TypeError):
                pass
            raise ClusterError(f"{method} {path}: the cluster answers {error.code}: {said}") from None
        except OSError as error:
            raise ClusterError(f"{method} {path}: the cluster cannot be reached: {error}") from None

    def path(self, kind: str, name: str = "") -> str:
        found = f"{PATHS[kind]}/namespaces/{self.namespace}/{kind.lower()}s"
        return f"{found}/{name}" if name else found

    def apply(self, thing: dict) -> dict:
        """Makes the object, or changes it to be as given: server-side apply."""
        path = f"{self.path(thing['kind'], thing['metadata']['name'])}?fieldManager=mnist-pipeline&force=true"
        # YAML is what this type says; JSON is YAML.
        return self.call("PATCH", path, thing, "application/apply-patch+yaml")

    def wait(self, name: str, seconds: float = 300, pause: float = 2) -> None:
        """Returns when the newest form of a Deployment answers. Raises with the pods' own reasons if it will not."""
        end = time.monotonic() + seconds
        hopeless = 0
        while True:
            found = self.call("GET", self.path("Deployment", name))
            wanted, status = found["spec"].get("replicas", 1), found.get("status", {})
            if status.get("observedGeneration", 0) >= found["metadata"]["generation"] and all(
                status.get(count, 0) == wanted for count in ("replicas", "updatedReplicas", "availableReplicas")
            ):
                return
            reasons = self.reasons(found["spec"]["selector"]["matchLabels"])
            # Seen twice: a first pull may fail and the next succeed.
            hopeless = hopeless + 1 if any(reason.startswith(HOPELESS) for reason in reasons) else 0
            if hopeless > 3 or time.monotonic() > end:
                because = "; ".join(reasons) or "its pods give no reason"
                raise ClusterError(f"{name} does not start: {because}")
            time.sleep(pause)

    def reasons(self, labels: dict[str, str]) -> list[str]:
        selector = urllib.parse.quote(",".join(f"{key}={value}" for key, value in labels.items()))
        pods = self.call("GET", f"{self.path('Pod')}?labelSelector={selector}")["items"]
        reasons = []
        for pod in pods:
            status = pod.get("status", {})
            for condition in status.get("conditions", []):
                if condition["type"] == "PodScheduled" and condition["status"] == "False":
                    reasons.append(f"{condition.get('reason', '')}: {condition.get('message', '')}")
            for container in status.get("containerStatuses", []):
                waiting = container.get("state", {}).get("waiting")
                if waiting and waiting.get("reason") not in (None, "ContainerCreating", "PodInitializing"):
                    reasons.append(f"{waiting['reason']}: {waiting.get('message', '')}")
        return reasons
