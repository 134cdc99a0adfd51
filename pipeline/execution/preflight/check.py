"""Every check of a study in order: finds within a minute what would fail after an hour."""

import signal
from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any

from pipeline.errors import StorageError, UserError
from pipeline.execution.capacity import local_capacity
from pipeline.execution.driver.earlier_studies import learned_from, learning_in_words
from pipeline.execution.driver.start_notes import fixed_lists
from pipeline.execution.preflight.collector import Collector, rehearsal_checks
from pipeline.execution.preflight.estimate import Estimate, study_estimate, time_finding
from pipeline.execution.preflight.fact_process import facts
from pipeline.execution.preflight.failure_findings import failed_finding
from pipeline.execution.preflight.finding import ClusterFacts, Failure, Finding, NodeFacts, skipped
from pipeline.execution.preflight.plugin_findings import plugins_finding
from pipeline.execution.preflight.rehearsal import PACKED
from pipeline.execution.preflight.resources import memory_finding, resources_finding, this_node, workers_of
from pipeline.execution.preflight.search_findings import objectives_finding, pair_finding
from pipeline.execution.preflight.source_findings import source_finding
from pipeline.execution.preflight.storage_findings import (
    free_bytes,
    probe_folder,
    space_finding,
    storage_finding,
    study_finding,
)
from pipeline.execution.preflight.version_findings import nodes_finding, required, versions_finding
from pipeline.execution.ray.job_transport import pack
from pipeline.execution.versions import installed
from pipeline.hidden_modules import hidden_modules, hidden_text
from pipeline.storage import Store
from pipeline.storage.scratch import scratch
from pipeline.storage.shared_folder import remove_unused
from pipeline.study import TuneJob, layout, save_study
from pipeline.study.files import read_document, recorded_data
from pipeline.study.sources import Sources, sources_of

_CLUSTER_SECONDS = 60.0
_SIZES = ("memory", "disk", "time")
_NO_STORAGE = "the storage cannot be used"


class Preflight:
    """Checks a study before it starts. `estimate` is set once an epoch was trained."""

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
        self._usable, self._unchecked_cluster = True, ""
        self._nodes: list[NodeFacts] = [this_node()]

    def findings(self) -> Generator[Finding, None, None]:
        """Every finding as soon as it is known; a closed or interrupted generator leaves no process and no file."""
        with _sigterm_as_ctrl_c():
            with probe_folder(self._storage) as probe:
                yield from self._storage_findings(probe)
                yield versions_finding(required(), installed(list(required()) or ["ray", "tensorflow", "keras"]))
                if (classes := plugins_finding(self.job)) is not None:
                    yield classes
                for note in fixed_lists(self.job):
                    yield Finding("space", "warning", note)
                if (recommendation := self.job.recommendation) is not None:
                    yield Finding("search", "ok", recommendation)
                if self.job.learn_from:
                    yield self._learning_finding()
                if (pair := pair_finding(self.job)) is not None:
                    yield pair
                if (objectives := objectives_finding(self.job)) is not None:
                    yield objectives
                if self._address is not None:
                    yield self._cluster_finding(probe)
            if self._unchecked_cluster:
                yield skipped("resources", self._unchecked_cluster)
            else:
                resources = resources_finding(self.job, self._nodes, joined=self._address is not None)
                yield resources
                if resources.level == "error" and self._without_gpus:
                    yield from self._skipped_training("a trial cannot get its GPUs")
                    return
            if classes is not None and classes.level == "error":
                yield from self._skipped_training("a class that the job names cannot be used")
                return
            with scratch("check") as folder:
                yield from self._training_findings(Store(folder))

    @property
    def _without_gpus(self) -> bool:
        """Whether this machine lacks the GPUs that a trial requests."""
        return self.job.resources.gpus > local_capacity()[1]

    def _skipped_training(self, why: str) -> Iterator[Finding]:
        for name in (*rehearsal_checks(self.job), *_SIZES):
            yield skipped(name, why)

    def _storage_findings(self, probe: Store) -> Iterator[Finding]:
        stored = storage_finding(probe, self._storage.uri)
        yield stored
        self._usable = stored.level == "ok"
        if not self._usable:
            yield skipped("study", _NO_STORAGE)
            return
        yield study_finding(
            self.job, self._storage, resume=self._resume, accept_changes=self._accept_changes, note=self._note
        )

    def _learning_finding(self) -> Finding:
        """From how many trials of which studies the study learns."""
        try:
            earlier = learned_from(self.job, self._storage.uri, resume=self._resume)
        except UserError as error:
            return Finding("search", "error", " ".join(str(error).split()), "Name another study with --learn-from.")
        return Finding("search", "ok", learning_in_words(self.job, earlier))

    def _cluster_finding(self, probe: Store) -> Finding:
        self._unchecked_cluster = "the cluster was not checked"
        if not self._usable:
            return skipped("cluster", _NO_STORAGE)
        probe.write("probe", b"here")
        arguments = {"address": self._address, "uri": probe.uri, "node_seconds": _CLUSTER_SECONDS / 2}
        published = list(facts("pipeline.execution.preflight.cluster", arguments, seconds=_CLUSTER_SECONDS))
        if published and isinstance(published[0], ClusterFacts):
            self._unchecked_cluster, self._nodes = "", list(published[0].nodes)
            return nodes_finding(self._nodes, installed())
        failed = next((fact for fact in published if isinstance(fact, Failure)), Failure("It reported nothing."))
        if failed.late:
            failed = Failure(f"No answer from {self._address} within {_CLUSTER_SECONDS:g} s.")
        return failed_finding("cluster", failed, {}, "Check --address, and run `ray status` there.")

    def _training_findings(self, store: Store) -> Iterator[Finding]:
        job = self.job
        if self._without_gpus:
            # The nodes have GPUs; here the epoch is trained without.
            job = job.replaced({"resources.gpus": 0, "resources.strategy": None})
        sources = sources_of(job)
        folders = _packed(job, store, sources)
        arguments = {"folder": store.uri, "folders": folders, "data_before": self._data_before()}
        training = Collector(self.job, _originals(sources, store), sources)
        yield source_finding(job, sources)
        if hidden := hidden_modules(sources.folders):
            yield Finding("imports", "warning", hidden_text(hidden))
        try:
            with closing(
                facts("pipeline.execution.preflight.rehearsal", arguments, seconds=self._seconds, without=folders)
            ) as published:
                for fact in published:
                    yield from training.collect(fact)
        finally:
            # The process ends without leaving its shared caches.
            remove_unused()
        yield from training.rest()
        if why := self._unchecked_cluster or ("" if training.usable else training.why):
            for name in _SIZES:
                yield skipped(name, why)
            return
        yield from self._size_findings(training)

    def _data_before(self) -> Mapping[str, Any] | None:
        """The fingerprint of the data with which the study to resume began."""
        if not self._resume or self._accept_changes or not self._usable:
            return None
        try:
            return recorded_data(read_document(self._storage.folder(self.job.name)))
        except (FileNotFoundError, StorageError):
            # The check of the study reports what is wrong with it.
            return None

    def _size_findings(self, training: Collector) -> Iterator[Finding]:
        joined, trained = self._address is not None, training.trained[-1]
        workers = workers_of(self.job, self._nodes, joined=joined)
        self.estimate = study_estimate(self.job, trained, start=training.start, workers=workers)
        yield memory_finding(self.job, self._nodes, trained.bytes_memory, self.estimate.workers)
        if self._usable:
            free = free_bytes(self._storage)
            yield space_finding(self.estimate.bytes_kept, self.estimate.bytes_checkpoint, free)
        else:
            yield skipped("disk", _NO_STORAGE)
        if self._without_gpus:
            self.estimate = None
            yield skipped("time", "this machine does not have these GPUs, so the epoch was trained without them")
        else:
            yield time_finding(self.job, self.estimate)


def _packed(job: TuneJob, store: Store, sources: Sources) -> list[str]:
    """Save the job in a folder as that of a study; returns the folders from which its files import."""
    content, folders = pack(job)
    save_study(store, job, sources=sources)
    if content is not None:
        store.write(PACKED, content)
    return folders


def _originals(sources: Sources, store: Store) -> dict[str, str]:
    """Copy → original file, for the job's sources."""
    assert store.local is not None
    return {str(store.local.resolve() / layout.source(file.path)): str(file.file) for file in sources.files}


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
