"""`tunepipe check`: a small run of a study before it starts, and the facts of its storage, resources and versions."""

import math
import os
import signal
import uuid
from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, metadata, requires
from pathlib import Path
from typing import Any, Literal, TypeAlias

from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet

from pipeline.code import Snapshot, snapshot_of
from pipeline.errors import ResourcesUnmet, StorageError, StudyExists, UsageError, UserError
from pipeline.execution.capacity import default_workers, local_capacity, unused_gpus
from pipeline.execution.check_process import JOB, Node, checks_of, published
from pipeline.execution.driver.earlier_studies import warm_started
from pipeline.execution.driver.resume import session_start
from pipeline.execution.node_facts import installed
from pipeline.execution.ray.job_transport import pack
from pipeline.machine import this_machine
from pipeline.storage import Store
from pipeline.storage.scratch import remove_unused, scratch
from pipeline.study import TuneJob, layout, save_study
from pipeline.study.files import read_document, recorded_data
from pipeline.study.studies import default_storage
from pipeline.study.trial_configs import trials_in_all
from pipeline.text import counted, listed, rough_duration, size

Level: TypeAlias = Literal["ok", "warning", "error", "skipped"]

_CLUSTER_SECONDS = 60.0
_WARNED_SHARE = 0.5
"""The share of the free space from which checkpoints are a warning."""

_WAIT = "Give it more time with --wait SECONDS, or fewer rows."
_NO_STORAGE = "the storage cannot be used"


@dataclass(frozen=True, slots=True)
class Finding:
    """The result of one check."""

    name: str
    level: Level
    found: str
    advice: str = ""

    def __str__(self) -> str:
        advice = f" {self.advice}" if self.advice else ""
        end = "" if self.found.endswith((".", "?", "!")) or not advice else "."
        return f"{self.level:<7}  {self.name:<9}  {self.found}{end}{advice}"


@dataclass(frozen=True, slots=True)
class Estimate:
    """The size of a study, if no trial is stopped early and trials do not slow each other down."""

    trials: int
    epochs: int
    workers: int
    seconds_start: float
    seconds_build: float
    seconds_epoch: float
    seconds: float
    bytes_checkpoint: int
    bytes_kept: int
    bytes_memory: int


@dataclass(frozen=True, slots=True, repr=False)
class CheckResult:
    """What a check has found; a notebook and `print` show a line for each finding."""

    findings: tuple[Finding, ...]
    estimate: Estimate | None

    @property
    def ok(self) -> bool:
        """Whether nothing was found that would make the study fail."""
        return all(finding.level != "error" for finding in self.findings)

    def __repr__(self) -> str:
        return "\n".join(map(str, self.findings))


def check(
    job: TuneJob,
    *,
    storage: str | Path | None = None,
    resume: bool = False,
    accept_changes: bool = False,
    address: str | None = None,
    seconds: float = 120.0,
    note: Callable[[str], None] = print,
) -> CheckResult:
    """Check a study before it starts: train first epochs, build models, check storage, data, resources and versions.

    Args:
        job: The job.
        storage: The folder of studies, or a URI that every node reaches. Unless given: TUNEPIPE_STORAGE, or `studies`
            in the current folder.
        resume: Whether the study will be resumed.
        accept_changes: Whether its code, data or domains may have changed.
        address: Address of a running Ray cluster; None uses this machine.
        seconds: The maximum for loading the data and training the first epochs.
        note: Called with sentences for the user, for example if there is something to wait for.

    Returns:
        What was found. Mistakes in the job are findings, not exceptions.

    Raises:
        UsageError: The job is no TuneJob.
        UserError: The study that the job starts from cannot be read.
    """
    if not isinstance(job, TuneJob):
        raise UsageError(f"check() takes a TuneJob; found an object of type {type(job).__name__}.")
    place = str(default_storage() if storage is None else storage)
    made = Check(job, place, resume=resume, accept_changes=accept_changes, address=address, seconds=seconds, note=note)
    with closing(made.findings()) as findings:
        found = tuple(findings)
    return CheckResult(found, made.estimate)


class Check:
    """Checks a study. `estimate` is set once an epoch was trained."""

    def __init__(
        self,
        job: TuneJob,
        storage: str | Path,
        *,
        resume: bool,
        accept_changes: bool,
        address: str | None,
        seconds: float,
        note: Callable[[str], None],
    ) -> None:
        self.job = warm_started(job, storage, note)
        self.estimate: Estimate | None = None
        self._storage, self._address, self._seconds, self._note = Store(storage), address, seconds, note
        self._resume, self._accept_changes = resume, accept_changes
        cpus, self._gpus = local_capacity()
        machine = this_machine()
        self._nodes = [Node(machine.host, cpus, self._gpus, machine.free)]

    def findings(self) -> Generator[Finding, None, None]:
        """Every finding as soon as it is known; a closed or interrupted generator leaves no process and no file."""
        with _sigterm_as_ctrl_c():
            with _probe_folder(self._storage) as probe:
                stored = _storage_finding(probe, self._storage.uri)
                usable = stored.level == "ok"
                yield stored
                yield self._study_finding() if usable else Finding("study", "skipped", _NO_STORAGE)
                yield _versions_finding()
                unchecked = ""
                if self._address is not None:
                    cluster = self._cluster_finding(probe) if usable else Finding("cluster", "skipped", _NO_STORAGE)
                    unchecked = "" if cluster.level in ("ok", "warning") else "the cluster was not checked"
                    yield cluster
            resources = Finding("resources", "skipped", unchecked) if unchecked else self._resources_finding()
            yield resources
            why = "a trial cannot get its resources" if resources.level == "error" else ""
            if why:
                yield from (Finding(name, "skipped", why) for name in (*checks_of(self.job), "memory", "disk", "time"))
                return
            measured: dict[str, Any] = {}
            with scratch("check") as folder:
                yield from self._trained_findings(Store(folder), measured, usable=usable)
            why = unchecked or measured.get("why", "")
            if why:
                yield from (Finding(name, "skipped", why) for name in ("memory", "disk", "time"))
            else:
                yield from self._size_findings(measured, usable=usable)

    def _study_finding(self) -> Finding:
        """Whether `tunepipe run` would begin the study, or resume it: found out as it does."""
        job, store = self.job, self._storage.folder(self.job.name)
        try:
            start = session_start(
                job,
                store,
                self._storage.uri,
                resume=self._resume,
                accept_changes=self._accept_changes,
                take_over=False,
                note=self._note,
            )
        except StudyExists as error:
            return Finding("study", "error" if self._resume else "warning", str(error))
        except UserError as error:
            return Finding("study", "error", str(error))
        if start.replaces:
            return Finding("study", "ok", f"{job.name!r} has no epoch yet, and a new study replaces it")
        if start.saved is None:
            return Finding("study", "ok", f"{job.name!r} is new")
        if start.finished:
            advice = "A larger budget continues it; --name starts another."
            return Finding("study", "warning", f"{job.name!r} is finished: no trial would train", advice)
        last = start.last
        state = "no session yet" if last is None else f"session {last['number']}, {last['state']}"
        return Finding("study", "ok", f"{job.name!r} exists ({state}) and would continue")

    def _cluster_finding(self, probe: Store) -> Finding:
        """Whether the nodes of a cluster have the versions of this machine, and see the storage."""
        probe.write("probe", b"here")
        arguments = {"address": self._address, "uri": probe.uri, "seconds": _CLUSTER_SECONDS / 2}
        self._nodes = []
        why = "It reported nothing."
        for kind, value in published("ask_nodes", arguments, seconds=_CLUSTER_SECONDS):
            if kind == "node":
                self._nodes.append(Node(**value))
            else:
                why = f"No answer from {self._address} within {_CLUSTER_SECONDS:g} s." if kind == "late" else value
        nodes, here = self._nodes, installed()
        if not nodes:
            return Finding("cluster", "error", why, "Check --address, and run `ray status` there.")
        if troubled := [f"{node.name}: {node.trouble}" for node in nodes if node.trouble is not None]:
            advice = "Give every node the same image, and a --storage that all of them reach."
            return Finding("cluster", "error", "; ".join(troubled), advice)
        what = "one node" if len(nodes) == 1 else f"{len(nodes)} nodes"
        others = [
            f"{node.name} has {name} {node.versions.get(name, 'not')}, not {wanted}"
            for node in nodes
            for name, wanted in here.items()
            if node.versions.get(name) != wanted
        ]
        if others:
            advice = "Give every node the same versions: results may differ, or workers may not start."
            return Finding("cluster", "warning", f"{what}, and {'; '.join(others)}", advice)
        return Finding("cluster", "ok", f"{what}: the same versions as here, and each reads and writes the storage")

    def _fits(self, node: Node) -> int:
        # Ray reserves memory on a cluster alone.
        return self.job.resources.fit(node.cpus, node.gpus, math.inf if self._address is None else node.memory)

    def _resources_finding(self) -> Finding:
        """Whether a trial gets its CPUs and GPUs, and as many trials in parallel as asked for."""
        need, nodes = self.job.resources, self._nodes
        cpus, gpus = sum(node.cpus for node in nodes), sum(node.gpus for node in nodes)
        joined = "one node" if len(nodes) == 1 else f"{len(nodes)} nodes"
        there = f"{'this machine' if self._address is None else joined}: {counted(cpus, 'CPU')}, {counted(gpus, 'GPU')}"
        asked = [counted(need.cpus, "CPU"), counted(need.gpus, "GPU")]
        if self._address is not None and need.memory_gigabytes is not None:
            asked.append(f"{size(need.memory_gigabytes * 1e9)} of memory")
        ask = f"a trial requests {listed(asked)}"
        try:
            default_workers(self.job, cpus, gpus)
        except ResourcesUnmet as error:
            return Finding("resources", "error", str(error))
        fits = sum(map(self._fits, nodes))
        if not fits:
            advice = "Request what one node has, with --set resources.cpus=… or resources.memory_gigabytes=…."
            return Finding("resources", "error", f"{there}, but {ask}, and no single node has them", advice)
        if need.workers == 0:
            return Finding("resources", "ok", f"{there}; trials train one after the other in the command's own process")
        if need.workers is not None and need.workers > fits:
            text = f"{there}; {need.workers} trials in parallel were requested, but only {fits} fit, because {ask}"
            return Finding("resources", "warning", text, f"--workers {fits} is as fast.")
        if (unused := unused_gpus(self.job, gpus)) is not None:
            return Finding("resources", "warning", f"{there}, but {ask}", unused)
        return Finding("resources", "ok", f"{there}; {ask}: {counted(need.workers or fits, 'trial')} in parallel")

    def _trained_findings(self, store: Store, measured: dict[str, Any], *, usable: bool) -> Iterator[Finding]:
        """The findings of the small run, in its own process."""
        job = self.job
        if job.resources.gpus > self._gpus:
            # The nodes have GPUs; here the epoch is trained without.
            job = job.replaced({"resources.gpus": 0, "resources.strategy": None})
        snapshot = snapshot_of(job.functions.values())
        try:
            content, folders = pack(job)
        except UserError as error:
            content, folders = None, []
            yield Finding("source", "error", str(error))
            measured["why"] = "the job cannot be sent to workers"
        else:
            yield _source_finding(job, snapshot)
            save_study(store, job, snapshot=snapshot)
            if content is not None:
                store.write(JOB, content)
        left = checks_of(job)
        if "why" not in measured:
            assert store.local is not None
            home = store.local.resolve()
            arguments = {
                "folder": store.uri,
                "folders": folders,
                "originals": {
                    str(home / layout.source(path)): str(root / path)
                    for root in snapshot.roots
                    for path in snapshot.files
                },
                "recorded": self._recorded_data() if usable else None,
            }
            measured["why"] = "the process of the check ended earlier"
            try:
                with closing(published("train", arguments, seconds=self._seconds, without=folders)) as facts:
                    for kind, value in facts:
                        if kind == "measured":
                            measured.update(value, why="")
                        elif kind == "finding":
                            finding = Finding(**value)
                            left = [name for name in left if name != finding.name]
                            yield finding
                            if finding.level == "error" and finding.name in ("data", "epoch", "objective"):
                                measured["why"] = f"the check of the {finding.name} failed"
                        elif left:
                            level: Level = "warning" if kind == "late" else "error"
                            yield Finding(
                                left.pop(0), level, value, _WAIT if kind == "late" else "Fix it, and check again."
                            )
            finally:
                # The process ends without leaving its shared caches.
                remove_unused()
        yield from (Finding(name, "skipped", measured["why"] or "an earlier check failed") for name in left)

    def _recorded_data(self) -> Mapping[str, Any] | None:
        """The fingerprint of the data with which the study to resume began."""
        if not self._resume or self._accept_changes:
            return None
        with suppress(FileNotFoundError, StorageError):  # The finding of the study says what is wrong with it.
            return recorded_data(read_document(self._storage.folder(self.job.name)))
        return None

    def _size_findings(self, measured: Mapping[str, Any], *, usable: bool) -> Iterator[Finding]:
        """Memory, disk and time of the whole study, from what the small run measured."""
        job, nodes, need = self.job, self._nodes, self.job.resources
        fits = sum(map(self._fits, nodes))
        trials = trials_in_all(job)
        workers = 1 if need.workers == 0 else max(1, min(need.workers or fits, trials, fits or 1))
        epochs = min(trials * job.budget.epochs, job.budget.total_epochs or trials * job.budget.epochs)
        work = trials * measured["seconds_build"] + epochs * measured["seconds_epoch"]
        held, checkpoint = measured["bytes_memory"], measured["bytes_checkpoint"]
        self.estimate = estimate = Estimate(
            trials=trials,
            epochs=epochs,
            workers=workers,
            seconds_start=measured["seconds_start"],
            seconds_build=measured["seconds_build"],
            seconds_epoch=measured["seconds_epoch"],
            seconds=measured["seconds_start"] + work / workers,
            bytes_checkpoint=checkpoint,
            bytes_kept=_kept_bytes(job, trials, workers, checkpoint),
            bytes_memory=held,
        )
        on_node = {node: workers if len(nodes) == 1 else self._fits(node) for node in nodes}
        short = next((node for node in nodes if node.memory < held * on_node[node]), None)
        text = f"a worker uses {size(held)}, {workers} of them {size(held * workers)}"
        if short is not None:
            text = (
                f"{on_node[short]} workers use {size(held * on_node[short])}, but {short.name} has {size(short.memory)}"
            )
            advice = "Train fewer in parallel with --workers, or give each more CPUs with --set resources.cpus=…."
            yield Finding("memory", "error" if short.memory < held else "warning", text, advice)
        else:
            yield Finding("memory", "ok", text + (f"; {size(nodes[0].memory)} are free" if len(nodes) == 1 else ""))
        yield _disk_finding(estimate, self._storage) if usable else Finding("disk", "skipped", _NO_STORAGE)
        if need.gpus > self._gpus:
            self.estimate = None
            yield Finding(
                "time", "skipped", "this machine does not have these GPUs: the epoch was trained without them"
            )
        else:
            yield _time_finding(job, estimate)


@contextmanager
def _sigterm_as_ctrl_c() -> Iterator[None]:
    """Let SIGTERM end the check like Ctrl-C: its processes end, and its folders are deleted."""
    before = None
    with suppress(ValueError):  # not in the main thread
        before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    finally:
        if before is not None:
            signal.signal(signal.SIGTERM, before)


@contextmanager
def _probe_folder(storage: Store) -> Iterator[Store]:
    """A temporary folder in the storage, deleted at the end with the folders above it that were missing before."""
    above = () if storage.local is None else (storage.local, *storage.local.parents)
    # Path.exists raises where it may not look, and for a name that is too long.
    missing = [folder for folder in above if not os.path.exists(folder)]  # noqa: PTH110
    probe = storage.folder(f".tunepipe-check-{uuid.uuid4().hex[:8]}")
    try:
        yield probe
    finally:
        with suppress(StorageError):
            for path in probe.files():
                probe.delete(path)
            probe.delete_empty_folders()
        for folder in missing:
            with suppress(OSError):
                folder.rmdir()


def _storage_finding(probe: Store, storage: str) -> Finding:
    try:
        probe.write("probe", b"first")
        probe.write("probe", b"second")
        if probe.read("probe") != b"second":
            return Finding("storage", "error", f"{storage} does not return what was written last", "Choose another.")
        probe.delete("probe")
    except (StorageError, FileNotFoundError) as error:
        return Finding("storage", "error", str(error))
    return Finding("storage", "ok", f"{storage}: a file was written, replaced, read back and deleted")


def _versions_finding() -> Finding:
    """Whether Python and the packages have the versions that the installed tunepipe requires."""
    try:
        lines = [Requirement(line) for line in requires("tunepipe") or ()]
        wanted = {"python": SpecifierSet(metadata("tunepipe")["Requires-Python"])}
    except PackageNotFoundError:
        return Finding("versions", "warning", "tunepipe is not installed, so the versions that it requires are unknown")
    wanted |= {
        each.name: each.specifier for each in lines if each.marker is None or each.marker.evaluate({"extra": ""})
    }
    present = installed(list(wanted))
    shown = ", ".join(f"{name} {present[name]}" for name in ("python", "ray", "tensorflow", "keras") if name in present)
    bad = [
        f"{name} {present.get(name, 'is missing')} (must be {allowed})"
        for name, allowed in wanted.items()
        if name not in present or not allowed.contains(present[name], prereleases=True)
    ]
    if bad:
        advice = "Install what pyproject.toml requires: pip install . in the checkout, or make run."
        return Finding("versions", "error", f"{shown}. Not supported: {', '.join(bad)}", advice)
    return Finding("versions", "ok", shown)


def _source_finding(job: TuneJob, snapshot: Snapshot) -> Finding:
    """Which of the job's code the study would copy."""
    if not job.resumable:
        text = "A function of the job is in no file: `tunepipe resume` cannot resume the study"
        advice = "run(JOB, resume=True) resumes it where the same functions are defined, as in a notebook."
        return Finding("source", "warning", text, advice)
    if snapshot.left_out:
        text = f"copied into the study: {snapshot}. Not copied, because of its size: {snapshot.not_copied}"
        return Finding("source", "ok", text, "Other machines need it at an absolute path that they can read.")
    return Finding("source", "ok", f"copied into the study: {snapshot}" if snapshot.files else "the study's own copies")


def _kept_bytes(job: TuneJob, trials: int, workers: int, checkpoint: int) -> int:
    """The maximum bytes of a study's checkpoints: each trial keeps its newest and its best, a live trial one more."""
    # If the scheduler pauses trials, all of them stay live, and checkpoints of live trials are kept.
    alive = trials if job.scheduler.pauses else min(trials, workers)
    top, gigabytes = job.checkpoints.top, job.checkpoints.gigabytes
    most = checkpoint * (2 * (trials if top is None else min(trials, top + alive)) + alive)
    return most if gigabytes is None else min(most, max(int(gigabytes * 1e9), 3 * checkpoint * alive))


def _disk_finding(estimate: Estimate, storage: Store) -> Finding:
    one, kept = size(estimate.bytes_checkpoint), estimate.bytes_kept
    text = f"a checkpoint has {one}, all kept checkpoints have at most {size(kept)}"
    if storage.local is None:
        return Finding("disk", "ok", f"{text}; an object store does not report its free space")
    status = os.statvfs(next(folder for folder in (storage.local, *storage.local.parents) if folder.is_dir()))
    free = status.f_bavail * status.f_frsize
    text = f"{text}; {size(free)} are free"
    advice = "Keep fewer with --set checkpoints.top=N or checkpoints.gigabytes=X, or choose another --storage."
    if kept > _WARNED_SHARE * free:
        return Finding("disk", "error" if kept > free else "warning", text, advice)
    return Finding("disk", "ok", text)


def _time_finding(job: TuneJob, estimate: Estimate) -> Finding:
    """How long a study takes, and whether the budget's seconds are enough."""
    budget = job.budget
    what = f"{counted(estimate.trials, 'trial')} × {counted(budget.epochs, 'epoch')}"
    if estimate.epochs < estimate.trials * budget.epochs:
        what = f"{counted(estimate.epochs, 'epoch')} in total"
    several = f"{estimate.workers} workers, if they do not slow each other down"
    text = (
        f"about {rough_duration(estimate.seconds)} for {what} on {'one worker' if estimate.workers == 1 else several}"
    )
    if job.scheduler.next_milestone(0, budget.epochs) < budget.epochs and not job.scheduler.exploits:
        text += f"; {job.scheduler.kind} usually takes a fraction of it"
    if budget.seconds is None or estimate.seconds <= budget.seconds:
        return Finding("time", "ok", text)
    text += f". budget.seconds ends the study after {rough_duration(budget.seconds)}"
    return Finding(
        "time", "warning", text, "Trials that are cut off keep their best epoch; a larger budget continues them."
    )
