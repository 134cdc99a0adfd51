"""What is heard of a rehearsal, fact by fact, as findings; and in the end what was not heard, and why."""

from collections.abc import Iterator, Mapping

from pipeline.execution.exchange import exchanges
from pipeline.execution.preflight import judging
from pipeline.execution.preflight.finding import (
    Built,
    DataFacts,
    Exchanged,
    Fact,
    Failed,
    Finding,
    Ready,
    Trained,
    unlooked,
)
from pipeline.study import TuneJob

__all__ = ["Hearing", "asked_about"]

_HEARD = ("data", "epoch", "objective", "labels", "resume", "configs", "weights")
"""What a rehearsal is asked about, in order; a function has neither data nor labels nor models."""

_ABOUT_MODELS = ("data", "labels", "configs")
_ABOUT_EXCHANGE = ("weights",)
_WHY = {"data": "the data were not loaded", "epoch": "no epoch was trained"}
_LONGER = "Give it more time with --wait SECONDS, or fewer rows."


class Hearing:
    """Turns facts into findings; `why` says why something could not be looked at.

    Args:
        job: The study's job.
        sources: File that ran → file that the user wrote.
    """

    def __init__(self, job: TuneJob, sources: Mapping[str, str]) -> None:
        self._job, self._sources = job, sources
        self._left = asked_about(job)
        self.why = "its process ended before"
        self.start = 0.0
        self.trained: list[Trained] = []

    @property
    def usable(self) -> bool:
        """Whether an epoch was trained from which a study's size can be told."""
        return bool(self.trained) and self.trained[-1].told is None

    def hear(self, fact: Fact) -> Iterator[Finding]:
        """What a fact comes to."""
        if isinstance(fact, Ready):
            self.start = fact.seconds
        elif isinstance(fact, DataFacts):
            yield from self._told(judging.data_finding(fact))
        elif isinstance(fact, Trained):
            self.trained.append(fact)
            tried = len(self.trained)
            if judging.finite(self._job, fact) or tried >= self._job.budget.max_failed_trials:
                yield from self._epoch()
        elif isinstance(fact, Built):
            yield from self._epoch()
            yield from self._told(judging.models_finding(fact, self._sources))
        elif isinstance(fact, Exchanged):
            yield from self._told(judging.weights_finding(self._job, fact))
        elif isinstance(fact, Failed):
            yield from self._failed(fact)

    def rest(self) -> Iterator[Finding]:
        """What is still to be told when the process has ended."""
        yield from self._epoch()
        for name in list(self._left):
            yield from self._told(unlooked(name, self.why))

    def _told(self, finding: Finding) -> Iterator[Finding]:
        if finding.name in self._left:
            self._left.remove(finding.name)
            yield finding

    def _epoch(self) -> Iterator[Finding]:
        if not self.trained or "epoch" not in self._left:
            return
        last = self.trained[-1]
        runs = last.told is None or judging.misses_objective(self._job, last)
        yield from self._told(judging.epoch_finding(self._job, self.trained, self._sources))
        if last.metrics:
            yield from self._told(judging.objective_finding(self._job, last))
        if runs or last.mismatch is not None:
            yield from self._told(judging.labels_finding(last))
        if runs:
            yield from self._told(judging.exactness_finding(self._job, last))
        if last.told is not None:
            self.why = "there is no such objective" if runs else "the first epoch failed"

    def _failed(self, failed: Failed) -> Iterator[Finding]:
        yield from self._epoch()
        name = next((name for name in self._left if name in _WHY), (self._left or ["epoch"])[0])
        self.why = _WHY.get(name, self.why)
        if failed.late:
            finding = Finding(name, "warning", f"{failed.told[:-1]}, and {self.why}", _LONGER)
        else:
            advice = "Mend it, and check again." if failed.trace else ""
            finding = judging.failed_finding(name, failed, self._sources, advice)
        yield from self._told(finding)


def asked_about(job: TuneJob) -> list[str]:
    """What a rehearsal of a job is asked about."""
    without = () if job.model is not None else _ABOUT_MODELS
    return [name for name in _HEARD if name not in (without if exchanges(job) else (*without, *_ABOUT_EXCHANGE))]
