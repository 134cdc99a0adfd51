"""Any words on the command line give a result, or a message and exit code 2; never a traceback or a trial."""

import os
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings, strategies as st

from pipeline.errors import ResourcesUnmet
from tests.command import CommandResult, tunepipe

_SHARED = [HealthCheck.function_scoped_fixture, HealthCheck.too_slow]

# Words as a shell passes them: any bytes but NUL, which come as lone surrogates where they are not UTF-8. In Python
# anything may be passed.
_BYTES = st.binary(max_size=12).map(os.fsdecode)
_ODD = [
    "", " ", "-", "--", "---", "\0", "\n", "\ud800", "\udcff", "\u202e", "💥", "x" * 5000, "9" * 5000, "[/]", "[red]",
    "..", ".", "/", "/nowhere/x", "../x", "a/../../x", "~nobody-of-that-name", "CON", "C:\\x", "s3:/x", "x.py",
]  # fmt: skip
_WORDS = st.one_of(st.text(max_size=12), _BYTES, st.sampled_from([*_ODD, "small", "beale", "0", "-1", "1e999"]))
_FIELDS = _WORDS | st.sampled_from(
    [
        "name", "data", "space", "space.lr", "space.lr.low", "space.momentum.kind", "objectives", "objectives.0.mode",
        "scheduler", "scheduler.kind", "scheduler.grace_period", "searcher", "budget", "budget.trials",
        "resources.workers", "checkpoints.top", "batch_size", "trial_seeds", "folds", "model", "function",
        "objectives.7", "space..x", ".", "..", "a.b.c.d",
    ]
)  # fmt: skip
_JSON = st.sampled_from(
    [
        "null", "true", "[]", "{}", "NaN", "-Infinity", "1e400", "9" * 5000, "[" * 5000, "asha", '"x"', '"\\ud800"',
        '{"kind":"pbt"}', '{"kind":"choice","values":[1,2]}', '{"kind":"uniform","low":1,"high":0}',
        '{"function":"os:system"}',
    ]
)  # fmt: skip
_ASSIGNMENTS = st.builds(
    lambda field, equals, value: field + equals + value, _FIELDS, st.just("=") | _WORDS, _JSON | _WORDS
)
# Not --to: it writes to any path, and here it would get any.
_OPTIONS = [
    "--trials", "--epochs", "--total-epochs", "--seconds", "--scheduler", "--search", "--workers", "--seed", "--name",
    "--resume", "--top", "--json", "--trial", "--accept-changes", "--help", "--version", "--nope", "-h", "-x",
]  # fmt: skip


@pytest.fixture(autouse=True)
def _nothing_trains(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ends a study in place of its first trial, as if there were no machine."""

    def unmet(*_: Any, **__: Any) -> None:
        raise ResourcesUnmet("There is no machine here.")

    monkeypatch.setattr("pipeline.execution.run._load_data", lambda *_, **__: (None, None))
    monkeypatch.setattr("pipeline.execution.run.run_on_ray", unmet)
    monkeypatch.setattr("pipeline.execution.run.run_in_process", unmet)


def _fine(printed: CommandResult) -> None:
    """Check for a result, or a mistake that stderr reports in text that is safe for a terminal."""
    assert printed.code in (0, 2, 3), printed
    assert bool(printed.errors) or printed.code == 0
    assert not set(printed.errors) & set(map(chr, [*range(9), *range(11, 32), 127])), printed.errors
    assert len(printed.errors) < 20_000


@settings(suppress_health_check=_SHARED)
@given(fields=st.lists(_ASSIGNMENTS, max_size=3))
@example(fields=[])
@example(fields=["space.lr=" + "[" * 100_000])
@example(fields=['space.lr={"kind":"choice","values":["\\u001b[31m"]}', "budget.trials=0"])
def test_any_assignment_is_refused_or_accepted(tmp_path: Path, fields: list[str]) -> None:
    words = [word for field in fields for word in ("--set", field)]
    printed = tunepipe("run", "beale", *words, "--storage", str(tmp_path / "studies"))
    _fine(printed)
    assert printed.code == 2
    assert not [path for path in (tmp_path / "studies").rglob("*") if path.is_file()]
    assert fields or "no machine here" in printed.errors


@settings(suppress_health_check=_SHARED)
@given(
    command=_WORDS
    | st.sampled_from(["list", "run", "resume", "results", "sql", "export", "logs", "delete", "budget", "compare"]),
    words=st.lists(st.one_of(st.sampled_from(_OPTIONS), _WORDS), max_size=5),
)
@example(command="logs", words=["small", "--trial", "9" * 5000])
@example(command="run", words=["x" * 5000])
@example(command="run", words=["~nobody-of-that-name/x.py"])
@example(command="results", words=["\0"])
def test_any_words_after_a_command_are_executed_or_refused_with_a_message(
    tmp_path: Path, ended: Path, monkeypatch: pytest.MonkeyPatch, command: str, words: list[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    before = sorted(ended.rglob("*"))
    _fine(tunepipe(command, *words, "--storage", str(ended)))
    _fine(tunepipe(command, *words))
    assert sorted(ended.rglob("*")) == before
