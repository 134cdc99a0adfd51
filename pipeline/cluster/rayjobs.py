"""RayJobs of studies in a namespace: found, submitted, followed, stopped, how they ended, and why they wait.

What cannot mend itself is recognised by a few reasons; everything else is shown as Kubernetes says it.
"""

import re
import shlex
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from textwrap import shorten
from typing import TYPE_CHECKING, Any

from pipeline.cluster.driver_end import EXIT_LINE
from pipeline.cluster.kubernetes_api import Kubernetes, KubernetesError
from pipeline.cluster.submissions import (
    JOB_ANNOTATION,
    STORAGE_ANNOTATION,
    STUDY_ANNOTATION,
    STUDY_LABEL,
    USER_ANNOTATION,
    NeverStarts,
    Submission,
    find,
    running_or_next,
    without_slash,
)
from pipeline.errors import ClusterError, Interrupted

if TYPE_CHECKING:
    from pipeline.cluster.rayjob import Manifests
    from pipeline.study import TuneJob

POLL_SECONDS = 2.0
SILENT_SECONDS = 45.0
"""A server that is busy, or is being updated, answers by then."""
END_SECONDS = 180.0
"""A head has ended by then, whose grace period the chart sets to 45 s."""
_KEPT = timedelta(days=7)
"""How long an ended RayJob stays."""
_LAST_LINES = 50
_MAX_CHARACTERS = 1000
"""The message about a missing image has its name four times, which may end with a digest, and the reason last."""
_RAYJOBS = {"group": "ray.io", "version": "v1", "plural": "rayjobs"}
_RAY_LINES = re.compile(
    r"^\d{4}-\d\d-\d\d [\d:,]+\t(INFO|SUCC|WARN) (cli|sdk|job_manager)\.py:\d+ -- .*\n?", re.MULTILINE
)
"""Lines of Ray's command, with which KubeRay starts a study: they advise commands that are not tunepipe's."""
_BLOCK = r"Traceback \(most recent call last\):\n(?:(?!Traceback).+\n)+"
_LOST_HEAD = re.compile(
    rf'^(?:{_BLOCK}\n.+:\n\n)*Traceback .+\n  File ".*/bin/ray", line \d+, in <module>\n(?:.+\n)+', re.MULTILINE
)
"""How Ray's command ends, which KubeRay follows a driver with, when the head is preempted or deleted."""
_FATAL = re.compile(
    r"\((?:InvalidImageName|ErrImageNeverPull)\)|"
    r"\((?:ErrImagePull|ImagePullBackOff)\).*(?:not found|manifest unknown|pull access denied|no such host)|"
    'violates PodSecurity|is forbidden(?!: (?:exceeded quota|status unknown for quota|User "system:node:))|'
    "is invalid: |denied the request|"
    "^Pending: (?!.* unused quota ).* > maximum capacity "
)
"""An image that no later pull gets, a pod that the namespace refuses, and more than a queue of Kueue ever has; not a
quota that may have room later, nor what a node may not read before it has heard of its pod.
"""
_EXCESS = re.compile(r"\((\w+)\) \+ current podset request \((\w+)\) > maximum capacity \((\w+)\)")
"""What other pods of the study have, what this group asks for, and the most that the queue has, of a resource."""
_REPLACED = {"DeletedHeadPod": "head", "DeletedWorkerPod": "worker"}
"""The operator's events, which are no warnings. Where a cluster autoscales, no container starts again in its pod: the
operator deletes the pod, and makes another.
"""
_ENDED = re.compile(r"\{ExitCode:([1-9]\d*),Signal:\d+,Reason:(\w*)")
"""How the operator says in such an event that the container had ended by itself."""


def submission_of(job: Mapping[str, Any]) -> Submission:
    """A RayJob as a submission, in the state of KubeRay, without its exit code and why it waits."""
    metadata = job["metadata"]
    annotations = metadata.get("annotations") or {}
    labels = metadata.get("labels") or {}
    return Submission(
        name=metadata["name"],
        study=str(annotations.get(STUDY_ANNOTATION) or labels.get(STUDY_LABEL) or metadata["name"]),
        storage=without_slash(annotations[STORAGE_ANNOTATION]) if STORAGE_ANNOTATION in annotations else "",
        state=str((job.get("status") or {}).get("jobDeploymentStatus") or "PENDING").upper(),
        started=datetime.fromisoformat(metadata["creationTimestamp"]),
        job=str(annotations.get(JOB_ANNOTATION, "")),
        user=str(annotations.get(USER_ANNOTATION, "")),
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
        """The RayJob of a name, or that of the study of that name."""
        return find(name, self._known(), self.where)

    def submissions(self, name: str | None = None) -> list[Submission]:
        """All RayJobs of studies, the oldest first, or the one that a name means: exit codes, and why they wait."""
        found = self._known() if name is None else [self.find(name)]
        # Once for all RayJobs: a namespace may have thousands of events.
        events = [] if all(each.has_ended for each in found) else self.warnings()
        return [self._described(each, events) for each in found]

    def submit(
        self, job: "TuneJob", storage: str, manifests_of: "Callable[[int], Manifests]"
    ) -> tuple[Submission, bool]:
        """Create a study's RayJob, or find it; returns its submission, and whether it ran already."""
        running, number = running_or_next(job, storage, self._known())
        if running is None:
            created = self.create(manifests_of(number))
            # The study is submitted, and another user may have deleted them.
            with suppress(ClusterError):
                self._delete_old()
            return created, False
        if "deletionTimestamp" in running.rayjob["metadata"]:
            raise ClusterError(
                f"The RayJob {running.name!r} of this study is being deleted. Submit again when `tunepipe status "
                "--kubernetes` no longer lists it."
            )
        return running, True

    def create(self, manifests: "Manifests") -> Submission:
        """Create what a study needs. The server validates every field."""
        request, strict = self.objects.create_namespaced_custom_object, {"field_validation": "Strict"}
        job = self.ask("create the RayJob", request, **_RAYJOBS, body=manifests.job, **strict)
        if manifests.file is not None:
            file = {**manifests.file, "metadata": {**manifests.file["metadata"], "ownerReferences": owners(job)}}
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
        return self._new_output(found, {})

    def follow(self, name: str) -> Iterator[str]:
        """The output of a study's driver, and messages about pods that wait, until the RayJob has ended.

        While some workers train, the reason why others do not start is only a message.
        """
        said: set[str] = set()
        printed: dict[str, str] = {}
        trained, failing_since = False, None
        while True:
            began = time.monotonic()
            try:
                found = submission_of(self.job(name))
                if found.has_ended:
                    yield f"[kubernetes] {name}: {found.state.lower()}\n{self._new_output(found, printed)}"
                    return
                pods = self._pods_of(found.rayjob)
                trained |= any(_is_alive(pod, "worker", "Running") for pod in pods)
                reasons = why_pods_wait(found.rayjob, pods, self.warnings())
                if (fatal := fatal_reason(reasons)) and not trained:
                    raise NeverStarts(f"{name!r} cannot start: {fatal}.")
                for reason in [f"{name}: {found.state.lower()}", *reasons]:
                    # The operator gives each pod that it tries to create another name.
                    if (key := re.sub(r'"[^"]*"|\d+', "", reason)) not in said:
                        said.add(key)
                        yield f"[kubernetes] {reason}\n"
                if new := self._new_output(found, printed):
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
            f"The RayJob {name!r} was deleted {END_SECONDS:.0f} s ago, but it or its driver's pod still exists. "
            f"`kubectl describe rayjobs,pods -n {self.namespace}` says more."
        )

    def exit_code(self, name: str) -> int:
        """The exit code of an ended study's `tunepipe run`."""
        job, log = self.job(name), ""
        # A node that is gone has taken the log with it.
        with suppress(ClusterError):
            for pod in self._pods(f"job-name={name}")[-1:]:
                log = self._log(pod, tail_lines=_LAST_LINES)
        return exit_code_of(job, log)

    def job(self, name: str) -> dict[str, Any]:
        """A RayJob as it is now."""
        request = self.objects.get_namespaced_custom_object
        job: dict[str, Any] = self.ask(f"read the RayJob {name}", request, **_RAYJOBS, name=name)
        return job

    def warnings(self) -> list[dict[str, Any]]:
        """Events about what goes wrong in the namespace."""
        found: list[dict[str, Any]] = []
        for selector in ("type=Warning", *(f"reason={each}" for each in _REPLACED)):
            found += self.ask("list events", self.core.list_namespaced_event, field_selector=selector)["items"]
        return found

    def _described(self, found: Submission, events: Sequence[Any]) -> Submission:
        """A submission with its exit code, or why it waits."""
        job, code, state = found.rayjob, None, found.state
        if not found.has_ended:
            return replace(found, message="; ".join(why_pods_wait(job, self._pods_of(job), events)[:2]))
        message = one_line((job.get("status") or {}).get("message"))
        try:
            code = self.exit_code(found.name)
        except ClusterError as error:
            message = message or str(error)
        if state == "COMPLETE" and code != 0:
            state = "STOPPED" if code in (None, Interrupted.exit_code) else "FAILED"
        return replace(found, state=state, message=message, exit_code=code)

    def _known(self) -> list[Submission]:
        request = self.objects.list_namespaced_custom_object
        items = self.ask("list RayJobs", request, **_RAYJOBS, label_selector=STUDY_LABEL)["items"]
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

    def _new_output(self, found: Submission, printed: dict[str, str]) -> str:
        """What is new in the logs of the pods that submit, of which each retry has one, after what was printed."""
        new = ""
        for pod in self._pods(f"job-name={found.name}"):
            name, log = pod["metadata"]["name"], self._log(pod)
            if not found.has_ended and pod["status"].get("phase") not in ("Succeeded", "Failed"):
                log = log[: log.rfind("\n") + 1]
            text = driver_output(log)
            # Kubernetes begins a log again when it is large.
            new, printed[name] = new + text.removeprefix(printed.get(name, "")), text
        return new

    def _log(self, pod: Mapping[str, Any], **options: Any) -> str:
        """The log of a pod that submits; empty before it starts and once it is deleted."""
        request, name = self.core.read_namespaced_pod_log, pod["metadata"]["name"]
        try:
            return self.read("read logs", request, name=name, **options).decode(errors="replace")
        except KubernetesError as error:
            if error.status == 404 or "is waiting to start" in str(error):
                return ""
            raise


def owners(job: Mapping[str, Any]) -> list[dict[str, str]]:
    """What an object has in its metadata to be deleted with a RayJob; nothing if that is only a template."""
    metadata = job["metadata"]
    owner = {"apiVersion": job["apiVersion"], "kind": "RayJob", "name": metadata["name"], "uid": metadata.get("uid")}
    return [owner] if owner["uid"] else []


def driver_output(log: str) -> str:
    """A log without the lines that Ray prints about its own submission, and the exit code."""
    return EXIT_LINE.sub("", _RAY_LINES.sub("", _LOST_HEAD.sub("The head of the cluster is gone.\n", log)))


def exit_code_of(job: Mapping[str, Any], log: str) -> int:
    """The exit code of an ended RayJob, whose driver's output has it if it is not 0.

    The RayJob alone says whether it is 0: Ray stops a driver that must not be started again because of a mistake.
    """
    status, ended = job.get("status") or {}, submission_of(job)
    if status.get("jobStatus") == "SUCCEEDED" and ended.state == "COMPLETE":
        return 0
    # At a deadline or a loss of the head, KubeRay ends a driver, whose code is then not that of the study.
    if status.get("jobStatus") in ("STOPPED", "FAILED") and (printed := EXIT_LINE.findall(log)):
        return int(printed[-1])
    message = one_line(f"{status.get('reason', '')} {status.get('message', '')}") or "KubeRay has no message"
    raise ClusterError(
        f"The RayJob {ended.name!r} did not succeed, and its driver has printed no exit code ({message}). "
        f"`tunepipe results {ended.study} --kubernetes` shows what the study has recorded."
    )


def why_pods_wait(job: Mapping[str, Any], pods: Sequence[Mapping[str, Any]], events: Sequence[Any]) -> list[str]:
    """What Kubernetes says about pods of a RayJob that do not run or do not stay, and events, the newest first."""
    said, metadata = [], job["metadata"]
    unwell, ready = set[str](), set[str | None]()
    for pod in pods:
        name, status = pod["metadata"]["name"], pod["status"]
        if status.get("phase") not in ("Pending", "Running") or "deletionTimestamp" in pod["metadata"]:
            continue
        for each in status.get("conditions") or ():
            if (each["type"], each["status"]) == ("Ready", "True"):
                ready.add((pod["metadata"].get("labels") or {}).get("ray.io/node-type"))
            if (each["type"], each["status"]) == ("PodScheduled", "False"):
                said.append(f"pod {name} waits for a node: {one_line(each.get('message') or each.get('reason'))}")
        # An init container, which waits for the head, is the first to pull a worker's image.
        containers = [*(status.get("initContainerStatuses") or ()), *(status.get("containerStatuses") or ())]
        reasons = [reason for each in containers if (reason := _why_it_waits(name, each))]
        said += reasons
        if reasons or status.get("phase") == "Pending":
            claims = (each.get("persistentVolumeClaim") for each in pod["spec"].get("volumes") or ())
            unwell |= {name, *(each["claimName"] for each in claims if each)}
    owners = metadata["name"], (job.get("status") or {}).get("rayClusterName") or metadata["name"]
    # Events are kept for an hour: an older RayJob may have had this name.
    since = metadata.get("creationTimestamp") or ""
    # What was refused before the newest pod was created has passed.
    newest = max((pod["metadata"].get("creationTimestamp") or "" for pod in pods), default=since)
    for event in sorted(events, key=_last_seen, reverse=True):
        involved, reason, seen = event["involvedObject"], event.get("reason"), _last_seen(event)
        name, message = str(involved.get("name")), event.get("message")
        # Kueue's workload of the RayJob has its name, between its kind and a digest.
        of_owner = (name in owners or re.fullmatch(rf"rayjob-{metadata['name']}-\w+", name)) and seen >= newest
        of_pod = name in unwell and reason not in ("FailedScheduling", "BackOff")
        if seen < since:
            continue
        if kind := _REPLACED.get(reason):
            if name in owners and kind not in ready and (ended := _ENDED.search(message or "")):
                ready.add(kind)
                said.append(f"a {kind} ended with exit code {ended[1]}, {ended[2]} ({reason}): it is made again")
        elif of_owner or of_pod or (reason == "Evicted" and name.startswith(tuple(f"{each}-" for each in owners))):
            said.append(f"{reason}: {one_line(message)} ({involved.get('kind')} {name})")
    return said


def _why_it_waits(pod: str, container: Mapping[str, Any]) -> str | None:
    """What Kubernetes says about a container that does not start, or ends repeatedly; None if it runs, or soon will."""
    state, before = container.get("state") or {}, container.get("lastState") or {}
    waiting, ended = state.get("waiting") or {}, state.get("terminated") or before.get("terminated") or {}
    reason = waiting.get("reason")
    if reason is None and ended.get("exitCode") and not container.get("ready"):
        reason = "not ready"
    if reason in (None, "ContainerCreating", "PodInitializing"):
        return None
    what, how = f"the container {container['name']}", "does not start"
    if "Image" in reason:
        what = f"the image {container['image']}"
    elif ended:
        how = f"ended with exit code {ended['exitCode']}, {ended.get('reason')}"
    message = one_line(waiting.get("message"))
    return f"{what} of pod {pod} {how} ({reason})" + (f": {message}" if message else "")


def fatal_reason(said: Sequence[str]) -> str | None:
    """The first of the reasons that no waiting mends."""
    return next(filter(_FATAL.search, said), None)


def fitting_workers(workers: int, reason: str) -> int:
    """How many of a study's workers a queue of Kueue can have, by its sentence; all of them if this has no numbers."""
    from kubernetes.utils import parse_quantity

    amounts = (map(parse_quantity, match) for match in _EXCESS.findall(reason))
    return min((int(workers * (most - others) // asked) for others, asked, most in amounts), default=workers)


def one_line(message: str | None) -> str:
    """A message of Kubernetes in one line, which others may follow."""
    return shorten(message or "", _MAX_CHARACTERS, placeholder=" …").rstrip(".")


def _last_seen(event: Mapping[str, Any]) -> str:
    """When an event was last seen; one without a time counts as new. Kubernetes' times sort as text."""
    series = (event.get("series") or {}).get("lastObservedTime")
    return str(series or event.get("lastTimestamp") or event.get("eventTime") or "9")


def _is_alive(pod: Mapping[str, Any], kind: str, *phases: str) -> bool:
    """Whether a pod is a `head` or a `worker` in one of these phases, else one whose containers have not all ended."""
    labels, phase = pod["metadata"].get("labels") or {}, pod["status"].get("phase")
    return labels.get("ray.io/node-type") == kind and phase in (phases or ("Pending", "Running", "Unknown"))
