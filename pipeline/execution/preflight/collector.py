"""Turns the facts of a rehearsal into findings; at the end it adds the checks that could not be made, and why."""

from collections.abc import Iterator, Mapping, Sequence

from pipeline.datasets import takes_config
from pipeline.execution.preflight.data_findings import data_finding
from pipeline.execution.preflight.exactness import exactness_finding
from pipeline.execution.preflight.failure_findings import failed_finding
from pipeline.execution.preflight.finding import (
    DataFacts,
    Fact,
    Failure,
    Finding,
    ModelFacts,
    TrainingFacts,
    WeightFacts,
    WorkerStart,
    skipped,
)
from pipeline.execution.preflight.training_findings import (
    epoch_finding,
    finite,
    labels_finding,
    misses_objective,
    models_finding,
    objective_finding,
    weights_finding,
)
from pipeline.execution.worker.weight_compatibility import copies_weights
from pipeline.hidden_modules import hidden_behind_text, hidden_text
from pipeline.study import TuneJob
from pipeline.study.sources import Sources

_CHECKS = ("data", "epoch", "objective", "labels", "resume", "configs", "weights")
"""The checks of a rehearsal, in order; a function has neither data nor labels nor models."""

_ABOUT_MODELS = ("data", "labels", "configs")
_ABOUT_COPIED_WEIGHTS = ("weights",)
_WHY = {"data": "the data were not loaded", "epoch": "no epoch was trained"}
_LONGER = "Give it more time with --wait SECONDS, or fewer rows."


class Collector:
    """Turns facts into findings; `why` is the reason why something could not be checked."""

    def __init__(self, job: TuneJob, sources: Mapping[str, str], code: Sources | None = None) -> None:
        self._job, self._sources, self._code = job, sources, code
        self._left = rehearsal_checks(job)
        self._unsteady: Sequence[str] = ()
        self.why = "the process of the check ended earlier"
        self.start = 0.0
        self.trained: list[TrainingFacts] = []

    @property
    def usable(self) -> bool:
        """Whether an epoch was trained from which a study's size can be estimated."""
        return bool(self.trained) and self.trained[-1].message is None

    def collect(self, fact: Fact) -> Iterator[Finding]:
        """The findings from a fact."""
        if isinstance(fact, WorkerStart):
            self.start = fact.seconds
        elif isinstance(fact, DataFacts):
            self._unsteady = fact.unsteady
            yield from self._once(data_finding(fact, of_config=takes_config(self._job.data)))
        elif isinstance(fact, TrainingFacts):
            self.trained.append(fact)
            tried = len(self.trained)
            if finite(self._job, fact) or tried >= self._job.budget.max_failed_trials:
                yield from self._epoch()
        elif isinstance(fact, ModelFacts):
            yield from self._epoch()
            yield from self._once(models_finding(fact, self._sources, self.trained[-1] if self.trained else None))
        elif isinstance(fact, WeightFacts):
            yield from self._once(weights_finding(self._job, fact))
        elif isinstance(fact, Failure):
            yield from self._failed(fact)

    def rest(self) -> Iterator[Finding]:
        """The findings that are left when the process has ended."""
        yield from self._epoch()
        for name in list(self._left):
            yield from self._once(skipped(name, self.why))

    def _once(self, finding: Finding) -> Iterator[Finding]:
        if finding.name in self._left:
            self._left.remove(finding.name)
            yield finding

    def _epoch(self) -> Iterator[Finding]:
        if not self.trained or "epoch" not in self._left:
            return
        last = self.trained[-1]
        runs = last.message is None or misses_objective(self._job, last)
        unfit = not runs and last.mismatch is not None
        if unfit:
            # Keras' error is about the same, and names tensors.
            self.why = "the targets do not fit the model"
            yield from self._once(skipped("epoch", self.why))
        else:
            yield from self._once(epoch_finding(self._job, self.trained, self._sources))
        if last.metrics:
            yield from self._once(objective_finding(self._job, last))
        if runs or last.mismatch is not None:
            yield from self._once(labels_finding(last))
        if runs:
            yield from self._once(exactness_finding(self._job, last, self._code, self._unsteady))
        if last.message is not None and not unfit:
            self.why = "the training reports no such objective" if runs else "the first epoch failed"

    def _failed(self, failed: Failure) -> Iterator[Finding]:
        yield from self._epoch()
        name = next((name for name in self._left if name in _WHY), (self._left or ["epoch"])[0])
        self.why = _WHY.get(name, self.why)
        if failed.late:
            finding = Finding(name, "warning", f"{failed.message[:-1]}, and {self.why}", _LONGER)
        else:
            hidden = hidden_behind_text(failed.message, self._code.folders) if self._code is not None else {}
            advice = hidden_text(hidden) if hidden else "Fix it, and check again." if failed.trace else ""
            finding = failed_finding(name, failed, self._sources, advice)
        yield from self._once(finding)


def rehearsal_checks(job: TuneJob) -> list[str]:
    """The checks of a job's rehearsal."""
    without = () if job.model is not None else _ABOUT_MODELS
    return [
        name for name in _CHECKS if name not in (without if copies_weights(job) else (*without, *_ABOUT_COPIED_WEIGHTS))
    ]
