"""A RayJob in Kubernetes, applied and followed to its end: what its driver prints, and what keeps it from starting.

Written against the API of Kubernetes and KubeRay; see docs/cluster.md for what was tried on a server.
"""

import re
import time
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from http import HTTPStatus
from pathlib import Path
from typing import Any

from kubernetes import client, config
from kubernetes.client.exceptions import ApiException
from kubernetes.config.config_exception import ConfigException
from yaml import YAMLError

from pipeline.cluster.answers import Unanswered, asked
from pipeline.cluster.bringing import bring
from pipeline.cluster.hindrances import hopeless, unscheduled, works
from pipeline.cluster.printed import Printed
from pipeline.cluster.rayjob import STUDY_LABEL, Manifests, study_label
from pipeline.cluster.states import at_work, has_ended, state
from pipeline.errors import ClusterError

__all__ = ["Kubernetes"]

_KIND = {"group": "ray.io", "version": "v1", "plural": "rayjobs"}
_POLL_SECONDS = 2.0
_SILENT_SECONDS = 45.0
"""An operator that is there has said something about a RayJob by then."""


@dataclass(slots=True)
class _Seen:
    """What was seen of a RayJob so far; times are of the monotonic clock."""

    began: float
    ended: bool = False
    worked: bool = False
    waits: float | None = None
    told: set[str] = field(default_factory=set)
    printed: dict[str, Printed] = field(default_factory=dict)


class Kubernetes:
    """One namespace of one Kubernetes cluster.

    Args:
        context: Of the kubeconfig; its current one unless given.
        namespace: Where RayJobs go.

    Raises:
        ClusterError: There is no kubeconfig, or no such context.
    """

    def __init__(self, context: str | None, namespace: str) -> None:
        try:
            api = config.new_client_from_config(context=context)
        except (ConfigException, YAMLError) as error:
            raise ClusterError(
                f"Kubernetes cannot be used: {str(error).rstrip('.')}. KUBECONFIG names the file, --context one of "
                "its contexts."
            ) from None
        self._objects, self._core = client.CustomObjectsApi(api), client.CoreV1Api(api)
        self._namespace = namespace

    def jobs(self, study: str) -> list[dict[str, Any]]:
        """RayJobs of a study, by its label, the oldest first."""
        return self._list(f"{STUDY_LABEL}={study}")

    def named(self, named: str) -> str:
        """The RayJob at work that is called so, or whose study is.

        Raises:
            ClusterError: There is none.
        """
        going = [each["metadata"]["name"] for each in self._list() if not has_ended(each)]
        found = named if named in going else at_work(self.jobs(study_label(named)))
        if found is None:
            told = f"At work there are {', '.join(going)}." if going else "None is at work."
            raise ClusterError(
                f"No RayJob at work in namespace {self._namespace!r} is called {named!r}, and none is of such a study. "
                f"{told} --namespace and --context look elsewhere."
            )
        return found

    def apply(self, manifests: Manifests) -> bool:
        """Create what a study needs; the server holds every field to its schema.

        Returns:
            Whether it was created; not where there is a RayJob of that name since.
        """
        with asked(self._namespace, "create the RayJob"):
            try:
                made = self._objects.create_namespaced_custom_object(
                    **_KIND, namespace=self._namespace, body=manifests.job, field_validation="Strict"
                )
            except ApiException as error:
                if error.status == HTTPStatus.CONFLICT:
                    return False
                raise
        if manifests.file is not None:
            owner = {key: made[key] for key in ("apiVersion", "kind")}
            owner |= {key: made["metadata"][key] for key in ("name", "uid")}
            metadata = {**manifests.file["metadata"], "ownerReferences": [owner]}
            try:
                with asked(self._namespace, "create the ConfigMap of the job file"):
                    self._core.create_namespaced_config_map(self._namespace, {**manifests.file, "metadata": metadata})
            except BaseException:
                # It would wait for the file for ever, and the next submission would attach to it.
                with suppress(ClusterError):
                    self.stop(made["metadata"]["name"])
                raise
        return True

    def stop(self, name: str) -> None:
        """Delete a RayJob with all that was made for it; the study stays in its storage.

        The operator has its driver asked to end first, and the head's grace period gives it the time.

        Raises:
            ClusterError: The operator does not let go of it.
        """
        with asked(self._namespace, "delete the RayJob"):
            self._objects.delete_namespaced_custom_object(**_KIND, namespace=self._namespace, name=name)
        end = time.monotonic() + _SILENT_SECONDS
        while any(each["metadata"]["name"] == name for each in self._list()):
            if time.monotonic() > end:
                raise ClusterError(
                    f"The RayJob {name!r} is to be deleted, and has been for {_SILENT_SECONDS:.0f} s: the KubeRay "
                    "operator, which ends its driver first, does not run. It goes once the operator runs again."
                )
            time.sleep(_POLL_SECONDS)

    def follow(self, name: str, *, wait_pods: float) -> Iterator[str]:
        """What a study's driver prints, and between it what keeps its pods waiting, until the RayJob has ended.

        Args:
            name: The RayJob.
            wait_pods: Seconds for which pods that cannot be scheduled are waited for.

        While workers train, what keeps more of them away is told, and the study is followed on.

        Raises:
            ClusterError: It cannot start: no image, a namespace that forbids its pods, no operator, no room.
        """
        seen, silent = _Seen(time.monotonic()), None
        while True:
            try:
                yield from self._look(name, seen, wait_pods)
            except Unanswered:
                # A server that is busy, or is being updated, answers again.
                silent = silent or time.monotonic()
                if time.monotonic() - silent > _SILENT_SECONDS:
                    raise
            else:
                silent = None
                if seen.ended:
                    return
            time.sleep(_POLL_SECONDS)

    def _look(self, name: str, seen: "_Seen", wait_pods: float) -> Iterator[str]:
        """What is new about a RayJob."""
        job = self._job(name)
        waited = time.monotonic() - seen.began
        if not job.get("status") and not job["spec"].get("suspend") and waited > _SILENT_SECONDS:
            raise ClusterError(
                f"Nobody has taken up the RayJob {name!r} for {waited:.0f} s: the KubeRay operator does not run, "
                f"or does not look after the namespace {self._namespace!r}. `kubectl get deployment -A` shows "
                "whether it does."
            )
        pods = self._pods(name, job)
        working = any(map(works, pods))
        seen.worked |= working
        messages = [message for pod in pods if (message := unscheduled(pod))]
        # While trials are trained on other nodes, more of them may come when they like.
        seen.waits = (seen.waits or time.monotonic()) if messages and not working else None
        if seen.waits is not None and time.monotonic() - seen.waits > wait_pods:
            raise ClusterError(
                f"Pods of {name!r} could not be scheduled for {wait_pods:.0f} s: {messages[0]}. The RayJob was "
                "left as it is; --wait-pods waits longer, --overlay and --gpus-per-trial ask for other nodes."
            )
        if (refused := hopeless(job, pods, self._warnings())) is not None:
            if not seen.worked:
                raise ClusterError(refused)
            messages.append(refused)
        for message in [*messages, f"{name}: {state(job) or 'not taken up yet'}"]:
            if message not in seen.told:
                seen.told.add(message)
                yield f"[kubernetes] {message}\n"
        yield from self._printed(name, seen.printed)
        seen.ended = has_ended(job)

    def exit_code(self, name: str) -> int:
        """How the study ended, as `tunepipe run` says it.

        Raises:
            ClusterError: The RayJob did not come so far.
        """
        status = self._job(name).get("status") or {}
        if status.get("jobStatus") == "STOPPED":
            return 130
        if status.get("jobDeploymentStatus") == "Complete":
            return 0
        said = " ".join(f"{status.get('reason', '')} {status.get('message', '')}".split())
        if code := re.search(r"exit code:? (\d+)", said):
            return int(code[1])
        raise ClusterError(f"The RayJob {name!r} has failed: {said[:600]}. Submitted again, the study goes on.")

    def bring(self, name: str, study: str, storage: str, to: Path) -> Path | None:
        """Copy a RayJob's study from its volume to a folder here, as `pipeline.cluster.bringing` does."""
        job = self._job(name)
        with asked(self._namespace, "read the results from the volume"):
            return bring(self._core, job, study, storage, to)

    def _list(self, label_selector: str = "") -> list[dict[str, Any]]:
        with asked(self._namespace, "list RayJobs"):
            found = self._objects.list_namespaced_custom_object(
                **_KIND, namespace=self._namespace, label_selector=label_selector
            )
        return sorted(found["items"], key=lambda each: each["metadata"]["creationTimestamp"])

    def _job(self, name: str) -> dict[str, Any]:
        with asked(self._namespace, f"read the RayJob {name}"):
            found: dict[str, Any] = self._objects.get_namespaced_custom_object(
                **_KIND, namespace=self._namespace, name=name
            )
        return found

    def _pods(self, name: str, job: Mapping[str, Any]) -> list[Any]:
        selectors = [f"job-name={name}"]
        if cluster := (job.get("status") or {}).get("rayClusterName"):
            selectors.append(f"ray.io/cluster={cluster}")
        with asked(self._namespace, "list pods"):
            found = [self._core.list_namespaced_pod(self._namespace, label_selector=each) for each in selectors]
        return [pod for each in found for pod in each.items]

    def _warnings(self) -> list[Any]:
        with asked(self._namespace, "list events"):
            found: list[Any] = self._core.list_namespaced_event(self._namespace, field_selector="type=Warning").items
        return found

    def _printed(self, name: str, printed: dict[str, Printed]) -> Iterator[str]:
        """What is new in the logs of the pods that submit; each retry has one of its own."""
        for pod in self._pods(name, {}):
            if pod.status.phase not in ("Running", "Succeeded", "Failed"):
                continue
            with asked(self._namespace, "read logs"):
                text = self._log(pod.metadata.name)
            told = printed.setdefault(pod.metadata.name, Printed())
            if new := told.news(text, ended=pod.status.phase != "Running"):
                yield new

    def _log(self, pod: str) -> str:
        """What a pod has printed; nothing once it has gone, as those of an attempt do before the next one."""
        try:
            return str(self._core.read_namespaced_pod_log(pod, self._namespace) or "")
        except ApiException as error:
            if error.status != HTTPStatus.NOT_FOUND:
                raise
            return ""
