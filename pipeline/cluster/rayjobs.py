"""RayJobs of studies in a namespace: found, submitted, followed, stopped, and how they ended."""

import math
import re
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from pipeline.cluster.driver_end import EXIT_LINE
from pipeline.cluster.kubernetes_api import POLL_SECONDS, SILENT_SECONDS, Kubernetes, ServerUnavailable, Unauthorized
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
from pipeline.cluster.why import (
    STARTING_SECONDS,
    age,
    diagnose,
    is_running_head,
    is_running_worker,
    kind_of,
    lost_head,
    operator_problem,
    queue_reason,
)
from pipeline.errors import ClusterError, EndUnknown, Interrupted
from pipeline.text import rough_duration

if TYPE_CHECKING:
    from pipeline.cluster.rayjob import Manifests

_KEPT, _KEPT_OF_OTHERS = timedelta(minutes=10), timedelta(days=7)
"""How long an ended RayJob stays when its study is submitted again, so that its log can be read, or another one."""
_LAST_LINES = 50
_OVERLAP_SECONDS = 10
"""A log is read again from this long before the last reading: a line appears in it after its time was taken."""
_MAX_CHARACTERS = 600
_FAILED = re.compile(r"failed with exit code (-?\d+)")
"""Ray's message about a command that has failed, which KubeRay passes on."""
_RAY_LINES = re.compile(
    r"^\d{4}-\d\d-\d\d [\d:,]+\t(INFO|SUCC|WARN) (cli|sdk|job_manager)\.py:\d+ -- .*\n?", re.MULTILINE
)
"""Lines of Ray's command, with which KubeRay starts a study: they advise commands that are not tunepipe's."""
_TIME = re.compile(r"^\d{4}-\d\d-\d\dT[\d:.]+(?:Z|[+-]\d\d:\d\d) ", re.MULTILINE)
"""The time before each line of a log, to the nanosecond: no two lines are the same with it."""


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

    def find(self, name: str, storage: str | None = None) -> Submission:
        """The RayJob of a name; or else that of the study of that name: the one that has not ended, else the newest."""
        return find_one(name, [submission_of(each) for each in self.jobs()], self.where, storage)

    def submissions(self, name: str | None = None) -> list[Submission]:
        """The RayJobs of studies, the oldest first, with their exit codes and why they wait."""
        jobs = {each["metadata"]["name"]: each for each in self.jobs()}
        known = [submission_of(each) for each in jobs.values()]
        found = known if name is None else find(name, known, self.where)
        # Once for all RayJobs: a namespace may have thousands of events.
        events = () if all(each.has_ended for each in found) else self.warnings()
        return [self._described(jobs[each.name], each, events) for each in found]

    def submit(self, study: str, storage: str, manifests_of: "Callable[[int], Manifests]") -> tuple[Submission, bool]:
        """Create a study's RayJob, or find it; returns its submission, and whether it ran already."""
        from pipeline.cluster.rayjob import study_label

        label = study_label(study)

        def known() -> list[Submission]:
            # One request for both: two requests would miss a RayJob that is created between them.
            jobs = self.jobs(label)
            for job in jobs:
                found = submission_of(job)
                if "deletionTimestamp" in job["metadata"] and found.storage == storage and not found.has_ended:
                    raise ClusterError(
                        f"The RayJob {found.name!r} of this study is being deleted, and its driver may still write. "
                        "Submit again when it is gone: `tunepipe status --kubernetes` lists it until then."
                    )
            return [submission_of(each) for each in jobs]

        def create(number: int) -> Submission | str:
            manifests = manifests_of(number)
            created = self.create(manifests)
            return str(manifests.job["metadata"]["name"]) if created is None else submission_of(created)

        found, attached = submit_once(study, storage, self.where, known, create)
        if not attached:
            # The study is submitted, and another user may have deleted them.
            with suppress(ClusterError):
                self._delete_ended(label, storage)
        return found, attached

    def output(self, found: Submission) -> str:
        """What a study's driver has printed so far, in all attempts whose pods are still there."""
        return "".join(self._new_output(found.rayjob or {}, {}))

    def follow(self, name: str, *, wait_pods: float = math.inf) -> Iterator[str]:
        """The output of a study's driver, and messages about pods that wait, until the RayJob has ended.

        While some workers train, the reason why others do not start is only a message.
        """
        seen, unavailable_since, renewed = _Seen(), None, False
        while True:
            try:
                job = self.job(name)
                # Old events and pods of a RayJob that has ended say nothing about its present state.
                for message in self._ending(job) if has_ended(job) else self._situation(job, seen, wait_pods):
                    # The operator gives each pod that it tries to create another name.
                    key = re.sub(r'"[^"]*"|\d+', "", message)
                    if key not in seen.messages:
                        seen.messages.add(key)
                        yield f"[kubernetes] {message}\n"
                yield from self._new_output(job, seen.logs)
                if has_ended(job):
                    return
                unavailable_since, renewed = None, False
            except Unauthorized:
                # Studies run for longer than many credentials are valid, which other programs may have renewed.
                if renewed:
                    raise
                renewed = True
                self.connect()
            except ServerUnavailable:
                unavailable_since = unavailable_since or time.monotonic()
                if time.monotonic() - unavailable_since > SILENT_SECONDS:
                    raise
            time.sleep(POLL_SECONDS)

    def stop(self, name: str) -> None:
        """Delete a RayJob, and wait for its driver: until it ends, its session blocks the next one."""
        job = self.job(name)
        heads = [each for each in self.pods(name, job) if is_running_head(each)]
        grace = max((each["spec"].get("terminationGracePeriodSeconds") or 0 for each in heads), default=0)
        self.delete(name)
        # The operator deletes the cluster after the RayJob; then the grace period begins.
        seconds = grace + SILENT_SECONDS
        end = time.monotonic() + seconds
        while heads:
            with suppress(ServerUnavailable):
                heads = [each for each in self.pods(name, job) if is_running_head(each)]
            if heads and time.monotonic() > end:
                pod = heads[0]["metadata"]["name"]
                raise ClusterError(
                    f"The RayJob {name!r} is deleted, but the pod {pod} of its driver still exists {seconds:.0f} s "
                    f"later: its node may be unreachable. `kubectl describe pod -n {self.namespace} {pod}` says more. "
                    "Once the pod has ended, `tunepipe submit` continues the study."
                )
            time.sleep(POLL_SECONDS if heads else 0)

    def exit_code(self, name: str) -> int:
        """The exit code of an ended study's `tunepipe run`."""
        end = time.monotonic() + SILENT_SECONDS
        while True:
            job, log = None, ""
            try:
                job = self.job(name)
                # A log of a node that is away takes its whole time-out.
                if state(job) == "Complete" and job["status"].get("jobStatus") != "SUCCEEDED":
                    for pod in self.pods(name, {})[-1:]:
                        log = self.log(pod, _submitting_container(job), lines=_LAST_LINES)
            except ServerUnavailable:
                if time.monotonic() < end:
                    time.sleep(POLL_SECONDS)
                    continue
                if job is None:
                    raise
            except ClusterError:
                # A node that is gone has taken the log with it.
                if job is None:
                    raise
            return exit_code_of(job, log)

    def waiting_reason(self, job: Mapping[str, Any], events: Sequence[Any] | None = None) -> str | None:
        """Why a RayJob waits, cannot start or does not end; None if no reason is known."""
        if reason := operator_problem(job, age(job)) or self._queued(job):
            return reason
        pods = self.pods(job["metadata"]["name"], job)
        found = diagnose(job, pods, self.warnings() if events is None else events)
        # The cluster of a study that has just ended may be deleted between two requests.
        if lost_head(job, pods) and (lost := lost_head(self.job(job["metadata"]["name"]), pods)):
            return lost
        # While a worker trains, the study does not wait, and is not to be deleted.
        until = "" if any(map(is_running_worker, pods)) else f". {self.kept(job)}"
        if found.fatal or found.waits:
            return (found.fatal or "; ".join(found.waits[:2])).rstrip(".") + until
        return found.evicted[-1] if found.evicted else None

    def kept(self, job: Mapping[str, Any]) -> str:
        """The sentence about a RayJob that does not start: for how long it waits, and the command that deletes it."""
        stop = f"`tunepipe stop {job['metadata']['name']} {self.options}` deletes it."
        return f"The RayJob waits {waiting_time(job)}; {stop}"

    def _described(self, job: Mapping[str, Any], known: Submission, events: Sequence[Any]) -> Submission:
        """A submission with its exit code, or why it waits."""
        if not known.has_ended:
            return replace(known, message=self.waiting_reason(job, events) or "")
        message = operator_problem(job, 0) or " ".join(str((job.get("status") or {}).get("message") or "").split())
        code, shown = None, known.state
        # One that failed before its command ended has no code.
        try:
            code = self.exit_code(known.name)
        except EndUnknown as error:
            message = str(error)
        except ClusterError:
            pass
        if state(job) == "Complete" and code != 0:
            shown = "STOPPED" if code in (None, Interrupted.exit_code) else "FAILED"
        return replace(known, state=shown, message=message, exit_code=code)

    def _delete_ended(self, label: str, storage: str) -> None:
        """Delete RayJobs that ended a while ago, with what belongs to them."""
        now = datetime.now(UTC)
        for each in self.jobs():
            same = each["metadata"]["labels"][STUDY_LABEL] == label and submission_of(each).storage == storage
            # One that the operator refused ended as it was created.
            refused = each["metadata"]["creationTimestamp"] if state(each) == "ValidationFailed" else None
            ended = (each.get("status") or {}).get("endTime") or refused
            if has_ended(each) and ended and datetime.fromisoformat(ended) < now - (_KEPT if same else _KEPT_OF_OTHERS):
                self.delete(each["metadata"]["name"], wait=False)

    def _ending(self, job: Mapping[str, Any]) -> Iterator[str]:
        if problem := operator_problem(job, 0):
            yield problem
        yield f"{job['metadata']['name']}: {state(job)}"

    def _situation(self, job: Mapping[str, Any], seen: "_Seen", wait_pods: float) -> list[str]:
        """What a RayJob that has not ended waits for, or its state."""
        name = job["metadata"]["name"]
        problem = operator_problem(job, time.monotonic() - seen.began)
        if problem and not job.get("status"):
            raise ClusterError(problem)
        pods = self.pods(name, job)
        trains = any(map(is_running_worker, pods))
        seen.had_workers |= trains
        found = diagnose(job, pods, self.warnings())
        if found.fatal is not None and not seen.had_workers:
            raise NeverStarts(found.fatal)
        # After the first worker, an event may be of pods that are no longer requested.
        waits = [each for each in found.waits if not seen.had_workers or each.startswith("pod ")]
        waits += [] if seen.had_workers else reversed(found.evicted)
        # While trials train on other nodes, other pods may start at any time.
        seen.waiting_since = (seen.waiting_since or time.monotonic()) if waits and not trains else None
        if seen.waiting_since is not None and time.monotonic() - seen.waiting_since > wait_pods:
            raise ClusterError(
                f"Pods of {name!r} could not start for {wait_pods:.0f} s: {'; '.join(waits[:2])}. {self.kept(job)} "
                "--wait-pods waits longer; --overlay and --gpus-per-trial request other nodes."
            )
        messages = [*found.waits, *filter(None, (found.fatal, problem))]
        queued = self._queued(job)
        if not messages and queued is None and self._is_without_workers(job, pods, seen):
            messages.append(
                f"{name} runs without a worker: no pod was requested within {STARTING_SECONDS:.0f} s. `kubectl exec -n "
                f"{self.namespace} HEAD -c ray-head -- ray status` lists what the trials request, `kubectl logs -n "
                f"{self.namespace} HEAD -c autoscaler` the errors of Ray's autoscaler".replace("HEAD", _head(pods))
            )
        # Twice in succession: the cluster of a study that has just ended may be deleted between two requests.
        lost, seen_lost = lost_head(job, pods), seen.without_head
        seen.without_head = lost is not None
        messages += [lost] if lost is not None and seen_lost else []
        return [*messages, *found.evicted, queued or f"{name}: {state(job) or 'waits for the operator'}"]

    def _queued(self, job: Mapping[str, Any]) -> str | None:
        """Why a RayJob waits in Kueue's queue; None if it does not."""
        if not job["spec"].get("suspend") or QUEUE_LABEL not in (job["metadata"].get("labels") or {}):
            return None
        return queue_reason(job, self.kueue("workloads"))

    def _is_without_workers(self, job: Mapping[str, Any], pods: Sequence[Any], seen: "_Seen") -> bool:
        """Whether a study has run for a while without a request for a worker's pod."""
        if seen.had_workers or state(job) != "Running" or any(kind_of(pod) == "worker" for pod in pods):
            seen.no_pod_since = None
            return False
        seen.no_pod_since = seen.no_pod_since or time.monotonic()
        return time.monotonic() - seen.no_pod_since >= STARTING_SECONDS

    def _new_output(self, job: Mapping[str, Any], logs: "dict[str, LogPosition]") -> Iterator[str]:
        """What is new in the logs of the pods that submit, the oldest first; each retry has its own pod."""
        container = _submitting_container(job)
        for pod in self.pods(job["metadata"]["name"], {}):
            log = logs.setdefault(pod["metadata"]["name"], LogPosition())
            phase = pod["status"].get("phase")
            if phase not in ("Running", "Succeeded", "Failed") or log.ended:
                continue
            # The container may have ended while its pod runs on with one that a service mesh has added.
            own = [each for each in pod["status"].get("containerStatuses") or () if each["name"] == container]
            over = phase != "Running" or any("terminated" in (each.get("state") or {}) for each in own)
            now, ended = time.monotonic(), over or has_ended(job)
            seconds = None if log.read is None else math.ceil(now - log.read) + _OVERLAP_SECONDS
            if new := new_lines(self.log(pod, container, seconds=seconds, times=True), log, ended=ended):
                yield new
            log.read, log.ended = now, ended


@dataclass(slots=True)
class LogPosition:
    """How far the log of a pod was read: its last line, and when, by the monotonic clock."""

    last: str = ""
    read: float | None = None
    ended: bool = False


@dataclass(slots=True)
class _Seen:
    """What was seen of a RayJob that is followed; times are of the monotonic clock."""

    began: float = field(default_factory=time.monotonic)
    had_workers: bool = False
    waiting_since: float | None = None
    no_pod_since: float | None = None
    without_head: bool = False
    messages: set[str] = field(default_factory=set)
    logs: dict[str, LogPosition] = field(default_factory=dict)


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
    message = " ".join(f"{status.get('reason', '')} {status.get('message', '')}".split())[:_MAX_CHARACTERS]
    if state(job) != "Complete":
        code = int(found[1]) if (found := _FAILED.search(message)) else 0
        if code > 0 and code != Interrupted.exit_code:
            return code
        memory = " (9 often means that memory ran out)" if code == -9 else ""
        raise ClusterError(f"The RayJob {name!r} has failed: {message}{memory}. Submit again to resume the study.")
    if status.get("jobStatus") == "SUCCEEDED":
        return 0
    if printed := EXIT_LINE.findall(log):
        return int(printed[-1])
    raise EndUnknown(
        f"The study of the RayJob {name!r} did not succeed, and its exit code is not known, because the driver's "
        f"output is gone ({message or 'KubeRay has no message'}). `tunepipe results {submission_of(job).study} "
        "--kubernetes` shows what it has recorded; `tunepipe submit` with the same storage continues it."
    )


def new_lines(text: str, log: LogPosition, *, ended: bool) -> str:
    """What is new in a log: whole lines, without those that Ray prints about its own submission."""
    whole = text if ended else text[: text.rfind("\n") + 1]
    new = whole.rpartition(log.last)[2] if log.last else whole
    if new:
        log.last = new[new.rfind("\n", 0, -1) + 1 :]
    return EXIT_LINE.sub("", _RAY_LINES.sub("", _TIME.sub("", new)))


def _submitting_container(job: Mapping[str, Any]) -> str:
    """The container with the driver's output in the pod that submits, to which a service mesh may add others."""
    template = (job["spec"].get("submitterPodTemplate") or {}).get("spec") or {}
    return str((template.get("containers") or [{}])[0].get("name") or "ray-job-submitter")


def _head(pods: Sequence[Mapping[str, Any]]) -> str:
    return next((str(pod["metadata"]["name"]) for pod in pods if kind_of(pod) == "head"), "HEAD")
