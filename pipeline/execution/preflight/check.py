"""What would go wrong with a study after an hour, found out in a minute: every check in its order."""

import signal
import sys
from collections.abc import Callable, Generator, Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path

from pipeline.execution.on_ray import here
from pipeline.execution.preflight import judging
from pipeline.execution.preflight.classes import classes_finding
from pipeline.execution.preflight.estimate import Estimate, estimated, time_finding
from pipeline.execution.preflight.finding import ClusterFacts, Failed, Finding, NodeFacts, unlooked
from pipeline.execution.preflight.hearing import Hearing, asked_about
from pipeline.execution.preflight.means import memory_finding, resources_finding, this_machine, workers_of
from pipeline.execution.preflight.place import (
    free_bytes,
    probed,
    space_finding,
    storage_finding,
    study_finding,
)
from pipeline.execution.preflight.process import facts
from pipeline.execution.preflight.rehearsal import PACKED
from pipeline.execution.preflight.versions import asked, installed, nodes_finding, versions_finding
from pipeline.execution.travel import pack
from pipeline.storage import Store
from pipeline.storage.scratch import scratch
from pipeline.study import TuneJob, layout, save_study
from pipeline.study.code import module_of

__all__ = ["Preflight"]

_CLUSTER_SECONDS = 60.0
_SIZES = ("memory", "space", "time")
_NO_STORAGE = "the storage cannot be used"


class Preflight:
    """Checks a study before it starts. `estimate` is there once an epoch was trained.

    Args:
        job: What is tuned.
        storage: Where studies lie.
        resume: Whether the study is to be resumed.
        accept_changes: Although its code, data or domains have changed.
        address: Of a running Ray cluster; None for this machine.
        seconds: How long loading the data and training the first epochs may take.
        note: Is told that there is something to wait for.
    """

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
        self.job = job
        self.estimate: Estimate | None = None
        self._storage = Store(storage)
        self._resume, self._accept_changes, self._note = resume, accept_changes, note
        self._address, self._seconds = address, seconds
        self._usable, self._unreached = True, ""
        self._nodes: list[NodeFacts] = [this_machine()]

    def findings(self) -> Generator[Finding, None, None]:
        """Every finding as soon as it is known; closed, or interrupted, it leaves no process and no file."""
        with _sigterm_as_ctrl_c():
            with probed(self._storage) as probe:
                yield from self._placed(probe)
                yield versions_finding(asked(), installed(list(asked()) or ["ray", "tensorflow", "keras"]))
                if (classes := classes_finding(self.job)) is not None:
                    yield classes
                if self._address is not None:
                    yield self._cluster(probe)
            if self._unreached:
                yield unlooked("resources", self._unreached)
            else:
                resources = resources_finding(self.job, self._nodes, joined=self._address is not None)
                yield resources
                if resources.level == "fault" and self._without_gpus:
                    yield from self._untrained("a trial cannot get its GPUs")
                    return
            if classes is not None and classes.level == "fault":
                yield from self._untrained("a class that the job names cannot be used")
                return
            with scratch("check") as folder:
                yield from self._rehearsed(Store(folder))

    @property
    def _without_gpus(self) -> bool:
        """Whether this machine lacks the GPUs that a trial asks for."""
        return self.job.resources.gpus > here()[1]

    def _untrained(self, why: str) -> Iterator[Finding]:
        for name in (*asked_about(self.job), *_SIZES):
            yield unlooked(name, why)

    def _placed(self, probe: Store) -> Iterator[Finding]:
        stored = storage_finding(probe, self._storage.uri)
        yield stored
        self._usable = stored.level == "ok"
        if not self._usable:
            yield unlooked("study", _NO_STORAGE)
            return
        yield study_finding(
            self.job, self._storage, resume=self._resume, accept_changes=self._accept_changes, note=self._note
        )

    def _cluster(self, probe: Store) -> Finding:
        self._unreached = "the cluster was not asked"
        if not self._usable:
            return unlooked("cluster", _NO_STORAGE)
        probe.write("probe", b"here")
        arguments = {"address": self._address, "uri": probe.uri, "node_seconds": _CLUSTER_SECONDS / 2}
        told = list(facts("pipeline.execution.preflight.cluster", arguments, seconds=_CLUSTER_SECONDS))
        if told and isinstance(told[0], ClusterFacts):
            self._unreached, self._nodes = "", list(told[0].nodes)
            return nodes_finding(self._nodes, installed())
        failed = next((fact for fact in told if isinstance(fact, Failed)), Failed("It told nothing."))
        if failed.late:
            failed = Failed(f"No answer from {self._address} within {_CLUSTER_SECONDS:g} s.")
        return judging.failed_finding("cluster", failed, {}, "Look at --address, and at `ray status` there.")

    def _rehearsed(self, store: Store) -> Iterator[Finding]:
        job = self.job
        if self._without_gpus:
            # The nodes have them; here the epoch is trained without.
            job = job.replaced({"resources.gpus": 0, "resources.strategy": None})
        arguments = {"folder": store.uri, "folders": _packed(job, store)}
        training = Hearing(self.job, _sources(job, store))
        with closing(facts("pipeline.execution.preflight.rehearsal", arguments, seconds=self._seconds)) as told:
            for fact in told:
                yield from training.hear(fact)
        yield from training.rest()
        if why := self._unreached or ("" if training.usable else training.why):
            for name in _SIZES:
                yield unlooked(name, why)
            return
        yield from self._sized(training)

    def _sized(self, training: Hearing) -> Iterator[Finding]:
        joined, trained = self._address is not None, training.trained[-1]
        workers = workers_of(self.job, self._nodes, joined=joined)
        self.estimate = estimated(self.job, trained, start=training.start, workers=workers)
        yield memory_finding(self.job, self._nodes, trained.bytes_memory, self.estimate.workers)
        if self._usable:
            free = free_bytes(self._storage)
            yield space_finding(self.estimate.bytes_kept, self.estimate.bytes_checkpoint, free)
        else:
            yield unlooked("space", _NO_STORAGE)
        if self._without_gpus:
            self.estimate = None
            yield unlooked("time", "this machine has no such GPUs, and the epoch was trained without")
        else:
            yield time_finding(self.job, self.estimate)


def _packed(job: TuneJob, store: Store) -> list[str]:
    """Put the job into a folder as a study's; returns where its files import from."""
    content, folders = pack(job)
    save_study(store, job)
    if content is not None:
        store.write(PACKED, content)
    return folders


def _sources(job: TuneJob, store: Store) -> dict[str, str]:
    """The copies of the job's sources, each with the file that it is a copy of."""
    assert store.local is not None
    files = {module_of(function): sys.modules[function.__module__].__file__ for function in job.functions.values()}
    return {str(store.local.resolve() / layout.source(module)): file for module, file in files.items() if file}


@contextmanager
def _sigterm_as_ctrl_c() -> Iterator[None]:
    """SIGTERM ends the check as Ctrl-C does: with its processes ended and its folders gone."""
    before = None
    with suppress(ValueError):  # not in the main thread
        before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    finally:
        if before is not None:
            signal.signal(signal.SIGTERM, before)
