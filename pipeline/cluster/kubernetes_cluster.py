"""The requests about RayJobs in a Kubernetes namespace: create, read and delete them, and what belongs to them.

Written against the API of Kubernetes and KubeRay; tests/kubernetes/README.md says what was tested on a server.
"""

import shlex
import time
from collections.abc import Mapping
from contextlib import suppress
from datetime import UTC, datetime
from http import HTTPStatus
from pathlib import Path
from typing import Any

from kubernetes import client
from kubernetes.client.exceptions import ApiException
from urllib3.exceptions import HTTPError

from pipeline.cluster.api_errors import ServerUnavailable, api_request
from pipeline.cluster.creation_retries import create_with_retries, is_conflict
from pipeline.cluster.download_results import download_results
from pipeline.cluster.kubernetes_client import api_client
from pipeline.cluster.kueue_requests import check_queue, queued_reason
from pipeline.cluster.pod_ends import DELETIONS
from pipeline.cluster.rayjob import Manifests
from pipeline.cluster.rayjob_creation import RAYJOBS, create_rayjob, own_rayjob, with_mark
from pipeline.cluster.rayjob_states import STUDY_LABEL
from pipeline.errors import ClusterError

POLL_SECONDS = 2.0
SILENT_SECONDS = 45.0
"""A running operator has updated a new RayJob by then."""
_EPOCH = datetime.fromtimestamp(0, UTC)


class Kubernetes:
    """One namespace of one Kubernetes cluster."""

    def __init__(self, context: str | None, namespace: str) -> None:
        self._context, self.namespace = context, namespace
        self.connect()

    @property
    def options(self) -> str:
        """The options by which a command finds the RayJobs of this namespace."""
        context = f" --context {shlex.quote(self._context)}" if self._context else ""
        return f"--kubernetes{context} --namespace {self.namespace}"

    def connect(self) -> None:
        """Read the credentials again: those of the last time may have expired, or have been renewed since."""
        api = api_client(self._context)
        self._objects, self._core = client.CustomObjectsApi(api), client.CoreV1Api(api)

    def jobs(self, study: str | None = None) -> list[dict[str, Any]]:
        """The RayJobs of studies, the oldest first."""
        return self._list(STUDY_LABEL if study is None else f"{STUDY_LABEL}={study}")

    def apply(self, manifests: Manifests) -> bool:
        """Create what a study needs; the server validates every field."""
        check_queue(self._objects, self.namespace, manifests.job)
        job, created = with_mark(manifests.job), None
        try:
            with api_request(self.namespace, "create the RayJob"):
                created = create_rayjob(self._objects, self.namespace, job, SILENT_SECONDS, POLL_SECONDS)
            if created is not None and manifests.file is not None:
                self._create_file(manifests.file, created)
        except BaseException:
            # The RayJob would wait forever for the file, and the next submission would attach to it.
            with suppress(ClusterError), api_request(self.namespace, "read the RayJob"):
                if created is not None or own_rayjob(self._objects, self.namespace, job) is not None:
                    self.stop(job["metadata"]["name"])
            raise
        return created is not None

    def _create_file(self, file: dict[str, Any], created: Mapping[str, Any]) -> None:
        """Create the ConfigMap of a RayJob, which owns it."""
        owner = {key: created[key] for key in ("apiVersion", "kind")}
        owner |= {key: created["metadata"][key] for key in ("name", "uid")}
        body = {**file, "metadata": {**file["metadata"], "ownerReferences": [owner]}}
        with api_request(self.namespace, "create the ConfigMap of the job file"):
            # That of a RayJob of this name which was just deleted is deleted after it.
            create_with_retries(
                lambda: self._core.create_namespaced_config_map(self.namespace, body),
                is_conflict,
                SILENT_SECONDS,
                POLL_SECONDS,
            )

    def stop(self, name: str) -> None:
        """Delete a RayJob with all that was created for it; the study stays in its storage.

        The operator asks the driver to end first; the head's grace period gives it the time.
        """
        self.delete(name)
        end = time.monotonic() + SILENT_SECONDS
        # A server that is busy meanwhile has accepted the deletion.
        while self.exists(name):
            if time.monotonic() > end:
                raise ClusterError(
                    f"The RayJob {name!r} still exists {SILENT_SECONDS:.0f} s after it was marked for deletion: the "
                    "KubeRay operator, which ends its driver first, does not run. The RayJob will be deleted when the "
                    "operator runs again."
                )
            time.sleep(POLL_SECONDS)

    def delete(self, name: str) -> None:
        """Mark a RayJob for deletion, with all that was created for it."""
        with api_request(self.namespace, "delete the RayJob"):
            self._objects.delete_namespaced_custom_object(**RAYJOBS, namespace=self.namespace, name=name)

    def download_results(self, job: Mapping[str, Any], study: str, storage: str, to: Path) -> Path | None:
        """Copy a RayJob's study from its volume to a local folder."""
        with api_request(self.namespace, "read the results from the volume"):
            return download_results(self._core, job, study, storage, to)

    def _list(self, label_selector: str = "") -> list[dict[str, Any]]:
        with api_request(self.namespace, "list RayJobs"):
            listed = self._objects.list_namespaced_custom_object(
                **RAYJOBS, namespace=self.namespace, label_selector=label_selector
            )
        return sorted(listed["items"], key=lambda each: each["metadata"]["creationTimestamp"])

    def job(self, name: str) -> dict[str, Any]:
        """A RayJob as it is now."""
        with api_request(self.namespace, f"read the RayJob {name}"):
            job: dict[str, Any] = self._objects.get_namespaced_custom_object(
                **RAYJOBS, namespace=self.namespace, name=name
            )
        return job

    def exists(self, name: str) -> bool:
        """Whether a RayJob exists, or the server does not say that it does not."""
        try:
            self._objects.get_namespaced_custom_object(**RAYJOBS, namespace=self.namespace, name=name)
        except ApiException as error:
            gone: bool = error.status == HTTPStatus.NOT_FOUND
            return not gone
        except (HTTPError, OSError):
            pass
        return True

    def pods(self, name: str, job: Mapping[str, Any]) -> list[Any]:
        """The pods of a RayJob: those that submit, the oldest first, and those of its cluster."""
        selectors = [f"job-name={name}"]
        if cluster := (job.get("status") or {}).get("rayClusterName"):
            selectors.append(f"ray.io/cluster={cluster}")
        with api_request(self.namespace, "list pods"):
            lists = [self._core.list_namespaced_pod(self.namespace, label_selector=each) for each in selectors]
        return [pod for each in lists for pod in sorted(each.items, key=_created)]

    def warnings(self, *, ended_pods: bool = True) -> list[Any]:
        """Warning events of the namespace; none without the right to list them: other reasons are known without it."""
        selectors = ["type=Warning", *(f"reason={each}" for each in DELETIONS if ended_pods)]
        try:
            with api_request(self.namespace, "list events"):
                lists = [self._core.list_namespaced_event(self.namespace, field_selector=each) for each in selectors]
        except ServerUnavailable:
            raise
        except ClusterError:
            return []
        return [event for each in lists for event in each.items]

    def queued(self, job: Mapping[str, Any]) -> str | None:
        """Why a RayJob waits in Kueue's queue; None if it does not."""
        return queued_reason(self._objects, self.namespace, job)

    def log(
        self, pod: Any, container: str, *, lines: int | None = None, seconds: int | None = None, times: bool = False
    ) -> str:
        """The log of a container; empty before it starts and once its pod is deleted, as those of an attempt are."""
        named = container if any(each.name == container for each in pod.spec.containers) else None
        with api_request(self.namespace, "read logs"):
            try:
                log = self._core.read_namespaced_pod_log(
                    pod.metadata.name, self.namespace, container=named, tail_lines=lines, since_seconds=seconds,
                    timestamps=times,
                )  # fmt: skip
                return str(log or "")
            except UnicodeDecodeError as error:
                # The client decodes strictly, and a driver prints anything.
                return bytes(error.object).decode(errors="replace")
            except ApiException as error:
                waits = error.status == HTTPStatus.BAD_REQUEST and "is waiting to start" in str(error.body)
                if error.status != HTTPStatus.NOT_FOUND and not waits:
                    raise
                return ""


def _created(pod: Any) -> datetime:
    created: datetime | None = pod.metadata.creation_timestamp
    return created or _EPOCH
