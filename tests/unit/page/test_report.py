"""The report of a study on the live page."""

import base64
import hashlib
import re
import subprocess

import pytest

from pipeline.errors import JobNotFound, StorageError
from pipeline.page.report import report_html, report_policy
from pipeline.page.study_cache import StudyCache
from tests.unit.page.conftest import Get


def test_the_report_runs_its_own_script_only(get: Get) -> None:
    """The report has the study's pictures, and its policy allows exactly the script that it contains."""
    answer = get("/studies/mnist-asha/report")
    assert answer.status_code == 200, answer.text
    assert "Learning curves" in answer.text
    assert "<svg" in answer.text
    (script,) = re.findall("<script>(.*?)</script>", answer.text, re.DOTALL)
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    policy = answer.headers["Content-Security-Policy"]
    assert f"script-src 'sha256-{digest}';" in policy
    assert policy == report_policy()


@pytest.mark.long
def test_a_report_is_drawn_once_for_each_state(studies: StudyCache, monkeypatch: pytest.MonkeyPatch) -> None:
    """The report of an unchanged study is drawn once, however often it is opened."""
    first = report_html(studies, "mnist-pbt")
    monkeypatch.setattr(subprocess, "run", None)
    assert report_html(studies, "mnist-pbt") is first


def test_a_report_that_cannot_be_drawn_is_reported(studies: StudyCache, monkeypatch: pytest.MonkeyPatch) -> None:
    """A report whose process fails or hangs is reported with the process's message, and a missing study as missing."""
    failed = subprocess.CompletedProcess([], 1, "", "no room")
    monkeypatch.setattr(subprocess, "run", lambda *_, **__: failed)
    with pytest.raises(StorageError, match="no room"):
        report_html(studies, "domains")

    def hangs(*_: object, **__: object) -> None:
        raise subprocess.TimeoutExpired("report", 1)

    monkeypatch.setattr(subprocess, "run", hangs)
    with pytest.raises(StorageError, match="was not drawn within"):
        report_html(studies, "domains")
    with pytest.raises(JobNotFound):
        report_html(studies, "none")
