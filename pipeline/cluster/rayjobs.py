"""RayJobs of studies in a namespace: found, submitted, followed, stopped, and how they ended."""

import re
import shlex
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from pipeline.cluster.driver_end import EXIT_LINE
from pipeline.cluster.kubernetes_api import CONFLICT, NOT_FOUND, Kubernetes, KubernetesError
from pipeline.cluster.submissions import (
    QUEUE_LABEL,
    STORAGE_ANNOTATION,
    STUDY_ANNOTATION,
    STUDY_LABEL,
    NeverStarts,
    Submission,
    find,
    find_one,
    submit_once,
    without_slash,
)
from pipeline.cluster.why import fatal_reason, one_line, queue_reason, why_pods_wait
from pipeline.errors import ClusterError, Interrupted

if TYPE_CHECKING:
    from pipeline.cluster.rayjob import Manifests

POLL_SECONDS = 2.0
SILENT_SECONDS = 45.0
"""A server that is busy, or is being updated, answers by then."""
END_SECONDS = 180.0
"""A head has ended by then, whose grace period the chart sets to 45 s."""
STARTING_SECONDS = 45.0
"""By then a running operator has updated a new RayJob."""
_RAYJOBS = {"group": "ray.io", "version": "v1", "plural": "rayjobs"}
_WORKLOADS = {"group": "kueue.x-k8s.io", "version": "v1beta2", "plural": "workloads"}
_KEPT = timedelta(days=7)
"""How long an ended RayJob stays."""
_LAST_LINES = 50
_RAY_LINES = re.compile(
    r"^\d{4}-\d\d-\d\d [\d:,]+\t(INFO|SUCC|WARN) (cli|sdk|job_manager)\.py:\d+ -- .*\n?", re.MULTILINE
)
"""Lines of Ray's command, with which KubeRay starts a study: they advise commands that are not tunepipe's."""


def state(job: Mapping[str, Any]) -> str:
    """A RayJob's state in KubeRay's words; empty until an operator has set one."""
    return str((job.get("status") or {}).get("jobDeploymentStatus") or "")


def has_ended(job: Mapping[str, Any]) -> bool:
    """Whether a RayJob has ended, successfully or not."""
    return state(job) in ("Complete", "Failed", "ValidationFailed")


def submission_of(job: Mapping[str, Any]) -> Submission:
    """A RayJob as a submission, without its exit code and why it waits."""
    metadata = job["metadata"]
    marks = metadata.get("annotations") or {}
    return Submission(
        name=metadata["name"],
        study=str(marks.get(STUDY_ANNOTATION) or (metadata.get("labels") or {}).get(STUDY_LABEL) or metadata["name"]),
        storage=without_slash(marks[STORAGE_ANNOTATION]) if STORAGE_ANNOTATION in marks else "",
        state=state(job).upper() or "PENDING",
        started=datetime.fromisoformat(metadata["creationTimestamp"]),
        rayjob=job,
    )


class RayJobs(Kubernetes):
    """The RayJobs of studies in a namespace."""

    @property
    def options(self) -> str:
        """The options by which a command finds the RayJobs of this namespace."""
        context = f" --context {shlex.quote(self._context)}" if self._context else ""
        return f"--kubernetes{context} --namespace {self.namespace}"

    def find(self, name: str) -> Submission:
        """The RayJob of a name; or else that of the study of that name: the one that has not ended, else the newest."""
        return find_one(name, self._known(), self.where)

    def submissions(self, name: str | None = None) -> list[Submission]:
        """The RayJobs of studies, the oldest first, with their exit codes and why they wait."""
        known = self._known()
        found = known if name is None else find(name, known, self.where)
        # Once for all RayJobs: a namespace may have thousands of events.
        events = [] if all(each.has_ended for each in found) else self.warnings()
        return [self._described(each, events) for each in found]

    def job(self, name: str) -> dict[str, Any]:
        """A RayJob as it is now."""
        job: dict[str, Any] = self.ask(
            f"read the RayJob {name}", self.objects.get_namespaced_custom_object, **_RAYJOBS, name=name
        )
        return job

    def submit(self, study: str, storage: str, manifests_of: "Callable[[int], Manifests]") -> tuple[Submission, bool]:
        """Create a study's RayJob, or find it; returns its submission, and whether it ran already."""
        from pipeline.cluster.rayjob import study_label

        selector = f"{STUDY_LABEL}={study_label(study)}"
        found, attached = submit_once(
            study, storage, self.where, lambda: self._known(selector), lambda number: self.create(manifests_of(number))
        )
        if attached and "deletionTimestamp" in found.rayjob["metadata"]:
            raise ClusterError(
                f"The RayJob {found.name!r} of this study is being deleted, and its driver may still write. Submit "
                "again when `tunepipe status --kubernetes` no longer lists it."
            )
        if not attached:
            # The study is submitted, and another user may have deleted them.
            with suppress(ClusterError):
                self._delete_old()
        return found, attached

    def create(self, manifests: "Manifests") -> Submission | None:
        """Create what a study needs; None if there is a RayJob of that name. The server validates every field."""
        try:
            job = self.ask(
                "create the RayJob", self.objects.create_namespaced_custom_object, **_RAYJOBS, body=manifests.job,
                field_validation="Strict",
            )  # fmt: skip
        except KubernetesError as error:
            if error.status == CONFLICT and "already exists" in str(error):
                return None
            raise
        if manifests.file is not None:
            owner = {key: job[key] for key in ("apiVersion", "kind")}
            owner |= {key: job["metadata"][key] for key in ("name", "uid")}
            file = {**manifests.file, "metadata": {**manifests.file["metadata"], "ownerReferences": [owner]}}
            try:
                self.ask("create the ConfigMap of the job's files", self.core.create_namespaced_config_map, body=file)
            except BaseException:
                # The RayJob would wait forever for the file, and the next submission would attach to it.
                with suppress(ClusterError):
                    self._delete(job["metadata"]["name"])
                raise
        return submission_of(job)

    def output(self, found: Submission) -> str:
        """What a study's driver has printed so far, in all attempts whose pods are still there."""
        return self._new_output(found.rayjob, {})

    def follow(self, name: str) -> Iterator[str]:
        """The output of a study's driver, and messages about pods that wait, until the RayJob has ended.

        While some workers train, the reason why others do not start is only a message.
        """
        said: set[str] = set()
        printed: dict[str, int] = {}
        started, trained, failing_since = time.monotonic(), False, None
        while True:
            began = time.monotonic()
            try:
                job = self.job(name)
                if has_ended(job):
                    yield f"[kubernetes] {name}: {state(job)}\n{self._new_output(job, printed)}"
                    return
                pods = self._pods_of(job)
                trained |= any(_is_alive(pod, "worker", "Running") for pod in pods)
                reasons = self._reasons(job, pods, self.warnings())
                if not state(job) and not job["spec"].get("suspend") and began - started > STARTING_SECONDS:
                    raise NeverStarts(
                        f"No operator has started the RayJob {name!r}: the KubeRay operator does not run, or does not "
                        f"watch the namespace {self.namespace!r}."
                    )
                if (fatal := fatal_reason(reasons)) and not trained:
                    raise NeverStarts(f"{name!r} cannot start: {fatal}.")
                for reason in reasons or [f"{name}: {state(job) or 'waits for the operator'}"]:
                    # The operator gives each pod that it tries to create another name.
                    if (key := re.sub(r'"[^"]*"|\d+', "", reason)) not in said:
                        said.add(key)
                        yield f"[kubernetes] {reason}\n"
                if new := self._new_output(job, printed):
                    yield new
                failing_since = None
            except KubernetesError as error:
                failing_since = failing_since or began
                if not error.passes or time.monotonic() - failing_since > SILENT_SECONDS:
                    raise
            # A long log is read in a part of the time only.
            time.sleep(max(POLL_SECONDS, 4 * (time.monotonic() - began)))

    def stop(self, name: str) -> None:
        """Delete a RayJob, and wait for its driver: until it ends, its session blocks the next one."""
        job = self.job(name)
        self._delete(name)
        end = time.monotonic() + END_SECONDS
        while time.monotonic() <= end:
            time.sleep(POLL_SECONDS)
            # The operator asks the driver to end, and deletes the cluster after the RayJob.
            with suppress(KubernetesError):
                left = any(each.name == name for each in self._known())
                if not left and not any(_is_alive(pod, "head") for pod in self._pods_of(job)):
                    return
        raise ClusterError(
            f"The RayJob {name!r} was deleted {END_SECONDS:.0f} s ago, but it or its driver's pod still exists: the "
            "KubeRay operator does not run, or a node is unreachable. `kubectl describe rayjobs,pods -n "
            f"{self.namespace}` says more."
        )

    def exit_code(self, name: str) -> int:
        """The exit code of an ended study's `tunepipe run`."""
        job, log = self.job(name), ""
        # A node that is gone has taken the log with it.
        with suppress(ClusterError):
            for pod in self._pods(f"job-name={name}")[-1:]:
                log = self._log(pod, job, tail_lines=_LAST_LINES)
        return exit_code_of(job, log)

    def warnings(self) -> list[dict[str, Any]]:
        """Events about what goes wrong in the namespace; none without the right to list them."""
        return self._listed("list events", self.core.list_namespaced_event, field_selector="type=Warning")

    def _described(self, known: Submission, events: Sequence[Any]) -> Submission:
        """A submission with its exit code, or why it waits."""
        job, code, shown = known.rayjob, None, known.state
        if not known.has_ended:
            return replace(known, message="; ".join(self._reasons(job, self._pods_of(job), events)[:2]))
        message = " ".join(str((job.get("status") or {}).get("message") or "").split())
        try:
            code = self.exit_code(known.name)
        except ClusterError as error:
            message = message or str(error)
        if state(job) == "Complete" and code != 0:
            shown = "STOPPED" if code in (None, Interrupted.exit_code) else "FAILED"
        return replace(known, state=shown, message=message, exit_code=code)

    def _reasons(self, job: Mapping[str, Any], pods: Sequence[Mapping[str, Any]], events: Sequence[Any]) -> list[str]:
        """What keeps a RayJob or some of its pods waiting."""
        if job["spec"].get("suspend") and QUEUE_LABEL in (job["metadata"].get("labels") or {}):
            request = self.objects.list_namespaced_custom_object
            return [queue_reason(job, self._listed("list Kueue's workloads", request, **_WORKLOADS))]
        return why_pods_wait(job, pods, events)

    def _listed(self, action: str, request: Callable[..., Any], **fields: Any) -> list[dict[str, Any]]:
        """Objects that explain only: none if the server refuses to show them, but not if it cannot do so now."""
        try:
            return list(self.ask(action, request, **fields)["items"])
        except KubernetesError as error:
            if error.passes:
                raise
            return []

    def _known(self, selector: str = STUDY_LABEL) -> list[Submission]:
        request = self.objects.list_namespaced_custom_object
        items = self.ask("list RayJobs", request, **_RAYJOBS, label_selector=selector)["items"]
        return sorted(map(submission_of, items), key=lambda each: (each.started, each.name))

    def _delete(self, name: str) -> None:
        self.ask("delete the RayJob", self.objects.delete_namespaced_custom_object, **_RAYJOBS, name=name)

    def _delete_old(self) -> None:
        """Delete RayJobs of studies that ended a while ago, with what belongs to them."""
        for each in self._known():
            # One that the operator refused ended as it was created.
            ended = (each.rayjob.get("status") or {}).get("endTime") or each.rayjob["metadata"]["creationTimestamp"]
            if each.has_ended and datetime.fromisoformat(ended) < datetime.now(UTC) - _KEPT:
                self._delete(each.name)

    def _pods(self, selector: str) -> list[dict[str, Any]]:
        """Pods with a label, the oldest first."""
        pods = self.ask("list pods", self.core.list_namespaced_pod, label_selector=selector)["items"]
        return sorted(pods, key=lambda pod: str(pod["metadata"].get("creationTimestamp") or ""))

    def _pods_of(self, job: Mapping[str, Any]) -> list[dict[str, Any]]:
        """The pods of a RayJob: those that submit, and those of its cluster."""
        cluster = (job.get("status") or {}).get("rayClusterName")
        named = [f"job-name={job['metadata']['name']}", *([f"ray.io/cluster={cluster}"] if cluster else [])]
        return [pod for selector in named for pod in self._pods(selector)]

    def _new_output(self, job: Mapping[str, Any], printed: dict[str, int]) -> str:
        """What is new in the logs of the pods that submit, of which each retry has one, after what was printed."""
        new = ""
        for pod in self._pods(f"job-name={job['metadata']['name']}"):
            name, log = pod["metadata"]["name"], self._log(pod, job)
            if not has_ended(job) and pod["status"].get("phase") not in ("Succeeded", "Failed"):
                log = log[: log.rfind("\n") + 1]
            text = driver_output(log)
            # Kubernetes begins a log again when it is large.
            begin = printed.get(name, 0) if printed.get(name, 0) <= len(text) else 0
            new, printed[name] = new + text[begin:], len(text)
        return new

    def _log(self, pod: Mapping[str, Any], job: Mapping[str, Any], **options: Any) -> str:
        """The log of the container that submits; empty before it starts and once its pod is deleted."""
        # A service mesh may have added others.
        template = (job["spec"].get("submitterPodTemplate") or {}).get("spec") or {}
        container = (template.get("containers") or [{}])[0].get("name") or "ray-job-submitter"
        if any(each["name"] == container for each in pod["spec"]["containers"]):
            options["container"] = container
        request = self.core.read_namespaced_pod_log
        try:
            return self.read("read logs", request, name=pod["metadata"]["name"], **options).decode(errors="replace")
        except KubernetesError as error:
            if error.status == NOT_FOUND or "is waiting to start" in str(error):
                return ""
            raise


def driver_output(log: str) -> str:
    """A log without the lines that Ray prints about its own submission, and the exit code."""
    return EXIT_LINE.sub("", _RAY_LINES.sub("", log))


def exit_code_of(job: Mapping[str, Any], log: str) -> int:
    """The exit code of an ended RayJob, whose driver's output has it if it is not 0.

    The RayJob alone says whether it is 0: Ray stops a driver that must not be started again because of a mistake.
    """
    status = job.get("status") or {}
    if status.get("jobStatus") == "SUCCEEDED" and state(job) == "Complete":
        return 0
    # At a deadline or a loss of the head, KubeRay ends a driver, whose code is then not that of the study.
    if status.get("jobStatus") in ("STOPPED", "FAILED") and (printed := EXIT_LINE.findall(log)):
        return int(printed[-1])
    message = one_line(f"{status.get('reason', '')} {status.get('message', '')}") or "KubeRay has no message"
    raise ClusterError(
        f"The RayJob {job['metadata']['name']!r} did not succeed, and its driver's output is gone ({message}). "
        f"`tunepipe results {submission_of(job).study} --kubernetes` shows what the study has recorded; `tunepipe "
        "submit` with the same storage resumes it."
    )


def _is_alive(pod: Mapping[str, Any], kind: str, *phases: str) -> bool:
    """Whether a pod is a `head` or a `worker` in one of these phases, else one whose containers have not all ended."""
    labels, phase = pod["metadata"].get("labels") or {}, pod["status"].get("phase")
    return labels.get("ray.io/node-type") == kind and phase in (phases or ("Pending", "Running", "Unknown"))
