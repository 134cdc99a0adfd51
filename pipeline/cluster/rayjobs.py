"""RayJobs of studies in a namespace: found, submitted, followed, stopped, and how they ended."""

import math
import re
import shlex
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from pipeline.cluster.driver_end import EXIT_LINE
from pipeline.cluster.kubernetes_api import CONFLICT, NOT_FOUND, UNAUTHORIZED, Kubernetes, KubernetesError
from pipeline.cluster.submissions import (
    QUEUE_LABEL,
    STORAGE_ANNOTATION,
    STUDY_ANNOTATION,
    STUDY_LABEL,
    SUBMITTER_ANNOTATION,
    Submission,
    find,
    find_one,
    submit_once,
    without_slash,
)
from pipeline.cluster.why import STARTING_SECONDS, Diagnosis, age, diagnose, is_alive, one_line, queue_reason
from pipeline.errors import ClusterError, Interrupted
from pipeline.text import duration, rough_duration

if TYPE_CHECKING:
    from pipeline.cluster.rayjob import Manifests

POLL_SECONDS = 2.0
SILENT_SECONDS = 45.0
"""A server that is busy, or is being updated, answers by then."""
_RAYJOBS = {"group": "ray.io", "version": "v1", "plural": "rayjobs"}
_WORKLOADS = {"group": "kueue.x-k8s.io", "version": "v1beta2", "plural": "workloads"}
_EVENTS = ("type=Warning", "reason=DeletedHeadPod", "reason=DeletedWorkerPod")
"""The operator reports pods that it deletes as normal events."""
_KEPT = timedelta(days=7)
"""How long an ended RayJob stays."""
_LAST_LINES = 50
_OVERLAP_SECONDS = 10
"""A log is read again from this long before the last reading: a line appears in it after its time was taken."""
_FAILED = re.compile(r"failed with exit code (\d+)")
"""Ray's message about a command that has failed, which KubeRay passes on."""
_UNREAD = re.compile("did not reach terminal state|JobStatusCheckTimeoutExceeded")
_RAY_LINES = re.compile(
    r"^\d{4}-\d\d-\d\d [\d:,]+\t(INFO|SUCC|WARN) (cli|sdk|job_manager)\.py:\d+ -- .*\n?", re.MULTILINE
)
"""Lines of Ray's command, with which KubeRay starts a study: they advise commands that are not tunepipe's."""
_LINE = re.compile(r"^(\S+) ([^\n]*\n?)", re.MULTILINE)
"""A line of a log after its time, to the nanosecond: no two lines have the same one."""


class NeverStarts(ClusterError):
    """A RayJob can never start: there is no image, or the namespace forbids its pods."""


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
        submitter=marks.get(SUBMITTER_ANNOTATION),
        rayjob=job,
    )


class RayJobs(Kubernetes):
    """The RayJobs of studies in a namespace."""

    @property
    def options(self) -> str:
        """The options by which a command finds the RayJobs of this namespace."""
        context = f" --context {shlex.quote(self._context)}" if self._context else ""
        return f"--kubernetes{context} --namespace {self.namespace}"

    def find(self, name: str, storage: str | None = None) -> Submission:
        """The RayJob of a name; or else that of the study of that name: the one that has not ended, else the newest."""
        return find_one(name, self._known(), self.where, storage)

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

        def known() -> list[Submission]:
            found = self._known(f"{STUDY_LABEL}={study_label(study)}")
            for each in found:
                going = "deletionTimestamp" in each.rayjob["metadata"]
                if going and each.storage == storage and not each.has_ended:
                    raise ClusterError(
                        f"The RayJob {each.name!r} of this study is being deleted, and its driver may still write. "
                        "Submit again when it is gone: `tunepipe status --kubernetes` lists it until then."
                    )
            return found

        found, attached = submit_once(
            study, storage, self.where, known, lambda number: self.create(manifests_of(number))
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

    def follow(self, name: str, *, wait_pods: float = math.inf) -> Iterator[str]:
        """The output of a study's driver, and messages about pods that wait, until the RayJob has ended.

        While some workers train, the reason why others do not start is only a message.
        """
        said: set[str] = set()
        read: dict[str, tuple[str, float]] = {}
        began, trained, waits_since, failing_since = time.monotonic(), False, None, None
        while True:
            try:
                job = self.job(name)
                messages = [f"{name}: {state(job) or 'waits for the operator'}"]
                if not has_ended(job):
                    pods = self._pods_of(job)
                    found, queued = self.diagnosis(job, pods, time.monotonic() - began), self._queued(job)
                    trained |= any(pod["status"].get("phase") == "Running" for pod in _workers(pods))
                    if found.fatal and not trained:
                        raise NeverStarts(found.fatal)
                    reasons = [*found.waits, *filter(None, (found.fatal,))]
                    messages = [*reasons, *found.lost, *([queued] if queued else messages)]
                    waits_since = (waits_since or time.monotonic()) if self._waits(job, pods) else None
                    if waits_since is not None and time.monotonic() - waits_since > wait_pods:
                        raise ClusterError(
                            f"Pods of {name!r} could not start for {wait_pods:.0f} s: {'; '.join(messages[:2])}. "
                            f"{self.kept(job)} --wait-pods waits longer; --values and --gpus-per-trial request other "
                            "nodes."
                        )
                for message in messages:
                    # The operator gives each pod that it tries to create another name.
                    if (key := re.sub(r'"[^"]*"|\d+', "", message)) not in said:
                        said.add(key)
                        yield f"[kubernetes] {message}\n"
                if new := self._new_output(job, read):
                    yield new
                if has_ended(job):
                    return
                failing_since = None
            except KubernetesError as error:
                first, failing_since = failing_since is None, failing_since or time.monotonic()
                if error.status == UNAUTHORIZED and first:
                    # Studies run for longer than many credentials are valid, which other programs may have renewed.
                    self.connect()
                elif not error.passes or time.monotonic() - failing_since > SILENT_SECONDS:
                    raise
            time.sleep(POLL_SECONDS)

    def stop(self, name: str) -> None:
        """Delete a RayJob, and wait for its driver: until it ends, its session blocks the next one."""
        job = self.job(name)
        heads = [pod for pod in self._pods_of(job) if is_alive(pod, "head")]
        grace = max((pod["spec"].get("terminationGracePeriodSeconds") or 0 for pod in heads), default=0)
        self._delete(name)
        seconds = grace + 2 * SILENT_SECONDS
        end = time.monotonic() + seconds
        while time.monotonic() <= end:
            time.sleep(POLL_SECONDS)
            # The operator asks the driver to end, and deletes the cluster after the RayJob.
            with suppress(KubernetesError):
                left = any(each.name == name for each in self._known())
                if not left and not any(is_alive(pod, "head") for pod in self._pods_of(job)):
                    return
        raise ClusterError(
            f"The RayJob {name!r} was deleted {seconds:.0f} s ago, but it or the pod of its driver still exists: the "
            "KubeRay operator does not run, or the pod's node is unreachable. `kubectl describe rayjobs,pods -n "
            f"{self.namespace}` says more."
        )

    def exit_code(self, name: str) -> int:
        """The exit code of an ended study's `tunepipe run`."""
        job, log = self.job(name), ""
        if state(job) == "Complete" and job["status"].get("jobStatus") != "SUCCEEDED":
            # A node that is gone has taken the log with it.
            with suppress(ClusterError):
                for pod in self._pods(f"job-name={name}")[-1:]:
                    log = self._log(pod, _submitting_container(job), tail_lines=_LAST_LINES)
        return exit_code_of(job, log)

    def diagnosis(self, job: Mapping[str, Any], pods: Sequence[Any], waited: float, events: Any = None) -> Diagnosis:
        """What keeps pods of a RayJob from running; an error if no operator takes the RayJob."""
        if not job.get("status") and not job["spec"].get("suspend") and waited > STARTING_SECONDS:
            raise ClusterError(
                f"No operator has started the RayJob {job['metadata']['name']!r} in {duration(waited)}: the KubeRay "
                f"operator does not run, or does not watch the namespace {self.namespace!r}. `kubectl get deployment "
                "-A` shows whether it runs."
            )
        return diagnose(job, pods, self.warnings() if events is None else events)

    def kept(self, job: Mapping[str, Any]) -> str:
        """The sentence about a RayJob that does not start: for how long it waits, and the command that deletes it."""
        stop = f"`tunepipe stop {job['metadata']['name']} {self.options}` deletes it."
        return f"The RayJob waits {waiting_time(job)}; {stop}"

    def warnings(self) -> list[dict[str, Any]]:
        """Events about what goes wrong in the namespace; none without the right to list them."""
        request = self.core.list_namespaced_event
        return [event for one in _EVENTS for event in self._listed("list events", request, field_selector=one) or ()]

    def _described(self, known: Submission, events: Sequence[Any]) -> Submission:
        """A submission with its exit code, or why it waits."""
        job, code, shown = known.rayjob, None, known.state
        if not known.has_ended:
            return replace(known, message=self._reason(job, events))
        message = " ".join(str((job.get("status") or {}).get("message") or "").split())
        try:
            code = self.exit_code(known.name)
        except ClusterError as error:
            message = message or str(error)
        if state(job) == "Complete" and code != 0:
            shown = "STOPPED" if code in (None, Interrupted.exit_code) else "FAILED"
        return replace(known, state=shown, message=message, exit_code=code)

    def _reason(self, job: Mapping[str, Any], events: Sequence[Any]) -> str:
        """Why a RayJob waits or cannot start; empty if no reason is known."""
        if queued := self._queued(job):
            return queued
        pods = self._pods_of(job)
        try:
            found = self.diagnosis(job, pods, age(job), events)
        except ClusterError as error:
            return str(error)
        reason = found.fatal or "; ".join((*found.waits, *found.lost)[:2])
        # While a worker trains, the study does not wait, and is not to be deleted.
        waits = reason and self._waits(job, pods)
        return f"{reason.rstrip('.')}. {self.kept(job)}" if waits else reason

    def _waits(self, job: Mapping[str, Any], pods: Sequence[Mapping[str, Any]]) -> bool:
        """Whether a study cannot train yet: it has no worker, and a pod has to start. A queue has no limit."""
        if job["spec"].get("suspend") or any(pod["status"].get("phase") == "Running" for pod in _workers(pods)):
            return False
        return state(job) != "Running" or any(pod["status"].get("phase") == "Pending" for pod in pods)

    def _queued(self, job: Mapping[str, Any]) -> str | None:
        """Why a RayJob waits in Kueue's queue; None if it does not."""
        if not job["spec"].get("suspend") or QUEUE_LABEL not in (job["metadata"].get("labels") or {}):
            return None
        request = self.objects.list_namespaced_custom_object
        return queue_reason(job, self._listed("list Kueue's workloads", request, **_WORKLOADS))

    def _listed(self, action: str, request: Callable[..., Any], **fields: Any) -> list[dict[str, Any]] | None:
        """Objects that explain only; None if the server refuses to show them, but not if it cannot do so now."""
        try:
            return list(self.ask(action, request, **fields)["items"])
        except KubernetesError as error:
            if error.passes or error.status == UNAUTHORIZED:
                raise
            return None

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

    def _new_output(self, job: Mapping[str, Any], read: dict[str, tuple[str, float]]) -> str:
        """What is new in the logs of the pods that submit; each retry has its own pod.

        `read` has the time of each pod's last line, and that of the last reading.
        """
        new, ended = "", has_ended(job)
        for pod in self._pods(f"job-name={job['metadata']['name']}"):
            name, now = pod["metadata"]["name"], time.monotonic()
            last, before = read.get(name, ("", None))
            since = {} if before is None else {"since_seconds": math.ceil(now - before) + _OVERLAP_SECONDS}
            log = self._log(pod, _submitting_container(job), timestamps=True, **since)
            whole = ended or pod["status"].get("phase") in ("Succeeded", "Failed")
            lines, last = new_lines(log if whole else log[: log.rfind("\n") + 1], last)
            read[name] = last, now
            new += lines
        return new

    def _log(self, pod: Mapping[str, Any], container: str, **options: Any) -> str:
        """The log of a container; empty before it starts and once its pod is deleted, as those of an attempt are."""
        names = [each["name"] for each in pod["spec"]["containers"] if each["name"] == container]
        options |= {"container": names[0]} if names else {}
        request = self.core.read_namespaced_pod_log
        try:
            return self.read("read logs", request, name=pod["metadata"]["name"], **options).decode(errors="replace")
        except KubernetesError as error:
            if error.status == NOT_FOUND or "is waiting to start" in str(error):
                return ""
            raise


def waiting_time(job: Mapping[str, Any]) -> str:
    """The time for which a RayJob waits for its pods, to be read after "waits"."""
    spec = job["spec"]
    deadline, start = spec.get("activeDeadlineSeconds"), spec.get("preRunningDeadlineSeconds")
    whole = f"for up to {rough_duration(deadline)}" if deadline else "without a limit"
    return f"for {rough_duration(start)} for its head, and then {whole} for workers" if start else whole


def exit_code_of(job: Mapping[str, Any], log: str) -> int:
    """The exit code of an ended RayJob, whose driver's output has it if it is not 0.

    The RayJob alone says whether it is 0: Ray stops a driver that must not be started again because of a mistake.
    """
    name, status = job["metadata"]["name"], job.get("status") or {}
    message = one_line(f"{status.get('reason', '')} {status.get('message', '')}")
    if state(job) != "Complete":
        code = int(found[1]) if (found := _FAILED.search(message)) else 0
        if code not in (0, Interrupted.exit_code):
            return code
        unread = " Is the operator's namespace in the NetworkPolicy 'operator'? Else it cannot read how a study ended."
        raise ClusterError(
            f"The RayJob {name!r} has failed: {message}. Submit again to resume the study."
            f"{unread if _UNREAD.search(message) else ''}"
        )
    if status.get("jobStatus") == "SUCCEEDED":
        return 0
    if printed := EXIT_LINE.findall(log):
        return int(printed[-1])
    raise ClusterError(
        f"The study of the RayJob {name!r} did not succeed, and its driver's output is gone "
        f"({message or 'KubeRay has no message'}). `tunepipe results {submission_of(job).study} --kubernetes` shows "
        "what it has recorded; `tunepipe submit` with the same storage continues it."
    )


def new_lines(log: str, last: str) -> tuple[str, str]:
    """The lines of a log after a time, without those that Ray prints about its own submission; the last time."""
    lines = [(when, line) for when, line in _LINE.findall(log) if when > last]
    text = "".join(line for _, line in lines)
    return EXIT_LINE.sub("", _RAY_LINES.sub("", text)), lines[-1][0] if lines else last


def _submitting_container(job: Mapping[str, Any]) -> str:
    """The container with the driver's output in the pod that submits, to which a service mesh may add others."""
    template = (job["spec"].get("submitterPodTemplate") or {}).get("spec") or {}
    return str((template.get("containers") or [{}])[0].get("name") or "ray-job-submitter")


def _workers(pods: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    return [pod for pod in pods if is_alive(pod, "worker")]
