"""`tunepipe check` as it is called; what it finds is tested where it is found."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from pipeline.cli.commands import app
from pipeline.errors import Interrupted
from pipeline.execution import check as checks
from pipeline.execution.check import Finding

OK = Finding("storage", "ok", "it can be written")
WARNING = Finding("time", "warning", "it takes long", "Give it more.")
FAULT = Finding("data", "error", "There are none.", "Make some.")


@pytest.fixture
def found(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """The findings of a check that is not made; an exception among them is raised."""
    findings: list[Any] = []

    def yielded(*_: Any, **__: Any) -> Iterator[Finding]:
        for finding in findings:
            if isinstance(finding, BaseException):
                raise finding
            yield finding

    monkeypatch.setattr(checks, "findings_of", yielded)
    return findings


def check(*arguments: str) -> Result:
    return CliRunner().invoke(app, ["check", "beale", *arguments], catch_exceptions=False)


@pytest.mark.parametrize(("findings", "code", "last"), [
    ([OK], 0, "No error found: `tunepipe run beale` can start."),
    ([OK, WARNING], 0, "1 warning: `tunepipe run beale` can start."),
    ([FAULT, Finding("time", "skipped", "x")], 2, "1 error. Fix the errors before `tunepipe run beale`."),
])  # fmt: skip
def test_the_last_sentence_and_the_exit_code_sum_it_up(found: list[Any], findings, code, last) -> None:
    found += findings
    reported = check()
    assert reported.exit_code == code
    assert reported.stdout.splitlines()[-1] == last


def test_each_finding_is_a_line(found: list[Any]) -> None:
    found += [OK, WARNING, FAULT, Finding("epoch", "skipped", "the data were not loaded")]
    assert check().stdout.splitlines()[:4] == [
        "ok       storage    it can be written",
        "warning  time       it takes long. Give it more.",
        "error    data       There are none. Make some.",
        "skipped  epoch      the data were not loaded",
    ]


def test_json_is_one_object_on_stdout(found: list[Any]) -> None:
    found += [OK, FAULT]
    reported = check("--json")
    printed = json.loads(reported.stdout)
    assert reported.exit_code == 2
    assert (printed["job"], printed["estimate"]) == ("beale", None)
    assert [(each["name"], each["level"]) for each in printed["findings"]] == [("storage", "ok"), ("data", "error")]
    assert "Fix the errors" in reported.stderr


def test_ctrl_c_is_an_interruption(found: list[Any]) -> None:
    found += [OK, KeyboardInterrupt()]
    with pytest.raises(Interrupted, match="left no files behind"):
        check()
