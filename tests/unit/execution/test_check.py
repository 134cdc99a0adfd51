"""Checks before a study, in Python."""

from pathlib import Path
from typing import Any

import pytest

from pipeline import check
from pipeline.errors import UsageError
from tests.unit.execution.rising_job import rising_job


def test_a_check_returns_its_findings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A check of a job in Python has the findings and the estimate of the command, and leaves no study."""
    monkeypatch.setenv("TUNEPIPE_STORAGE", str(tmp_path))
    result = check(rising_job(), note=lambda _: None)
    assert result.ok
    assert result.estimate is not None
    assert [finding.name for finding in result.findings][-3:] == ["memory", "disk", "time"]
    assert str(result).splitlines()[0].startswith("ok       storage")
    assert list(tmp_path.iterdir()) == []


def test_a_mistake_is_a_finding(tmp_path: Path) -> None:
    """A mistake that would make the study fail is a finding of the level `error`."""
    result = check(rising_job(scheduler="ray.tune.schedulers.Nope"), storage=tmp_path, note=lambda _: None)
    assert not result.ok
    assert [finding.name for finding in result.findings if finding.level == "error"] == ["classes"]


def test_only_a_job_is_checked() -> None:
    """An object that is no job is refused with its type."""
    wrong: Any = "a name"
    with pytest.raises(UsageError, match="takes a TuneJob; found an object of type str"):
        check(wrong)
