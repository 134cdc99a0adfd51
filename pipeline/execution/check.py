"""Checks before a study, in Python: `pipeline.check`."""

from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from pipeline.errors import UsageError
from pipeline.execution.driver.warm_start import warm_started
from pipeline.execution.preflight.check import Preflight
from pipeline.execution.preflight.estimate import Estimate
from pipeline.execution.preflight.finding import Finding
from pipeline.study import TuneJob
from pipeline.study.studies import default_storage


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
    preflight = Preflight(
        warm_started(job, place, note),
        place,
        resume=resume,
        accept_changes=accept_changes,
        address=address,
        seconds=seconds,
        note=note,
    )
    with closing(preflight.findings()) as findings:
        found = tuple(findings)
    return CheckResult(found, preflight.estimate)
