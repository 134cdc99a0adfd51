"""Every check of a study, in order."""

from pathlib import Path
from typing import Any

from pipeline import (
    TuneJob,
)
from pipeline.execution.preflight.check import Preflight
from pipeline.execution.preflight.finding import Finding
from tests.unit.execution.rising_job import rising_job


def test_a_check_trains_nothing_under_a_class_that_cannot_be_used(tmp_path: Path) -> None:
    """With an unusable class, which is the only fault, a check trains nothing."""
    wrong, reported = rising_job(scheduler="ray.tune.schedulers.Nope"), list[str]()
    preflight = Preflight(
        wrong, tmp_path, resume=False, accept_changes=False, address=None, seconds=60, note=reported.append
    )
    findings = {finding.name: finding for finding in preflight.findings()}
    assert [name for name, finding in findings.items() if finding.level == "error"] == ["classes"]
    assert {name for name, finding in findings.items() if finding.level == "skipped"} >= {"epoch", "resume", "time"}


def findings_of(job: TuneJob, storage: Path, **options: Any) -> dict[str, Finding]:
    """All findings, by their names."""
    given = {"resume": False, "accept_changes": False, "address": None, "seconds": 60.0, "note": _silent, **options}
    return {finding.name: finding for finding in Preflight(job, storage, **given).findings()}


def _silent(reported: str) -> None:
    raise AssertionError(reported)


def test_nothing_is_trained_if_a_trial_cannot_get_its_gpus(tmp_path: Path) -> None:
    """If no node has the GPUs of a trial, nothing is trained and each check that needs an epoch reports why."""
    findings = findings_of(rising_job(resources={"gpus": 64, "workers": 1}), tmp_path)
    assert [name for name, finding in findings.items() if finding.level == "error"] == ["resources"]
    skipped = {name: finding.found for name, finding in findings.items() if finding.level == "skipped"}
    assert {"epoch", "objective", "resume", "memory", "disk", "time"} == set(skipped)
    assert set(skipped.values()) == {"a trial cannot get its GPUs"}
    assert list(tmp_path.iterdir()) == []


def test_a_storage_that_cannot_be_used_is_one_fault(tmp_path: Path) -> None:
    """An unusable storage is one fault: neither the study nor the cluster is inspected."""
    (tmp_path / "file").write_text("")
    findings = findings_of(
        rising_job(resources={"gpus": 64, "workers": 1}), tmp_path / "file/studies", address="10.0.0.1:6379"
    )
    assert findings["storage"].level == "error"
    assert findings["study"].found == findings["cluster"].found == "the storage cannot be used"
    assert findings["resources"].found == "the cluster was not checked"


def test_a_function_is_rehearsed(tmp_path: Path) -> None:
    """A check trains a function's first epoch in another process, and estimates the study's epochs."""
    preflight = Preflight(
        rising_job(), tmp_path, resume=False, accept_changes=False, address=None, seconds=120.0, note=_silent
    )
    findings = {finding.name: finding for finding in preflight.findings()}
    assert {name for name, finding in findings.items() if finding.level == "error"} == set()
    assert all(finding.level != "skipped" for finding in findings.values())
    assert list(findings)[-3:] == ["memory", "disk", "time"]
    assert preflight.estimate is not None
    assert preflight.estimate.epochs > 0
    assert list(tmp_path.iterdir()) == []
