"""Failures are grouped by what went wrong and where in the user's own code."""

from dataclasses import replace
from pathlib import Path

import pytest

from pipeline.results import Results, load_results
from pipeline.results.failures import causes, first_line, own_frame
from pipeline.training import trainer
from tests.unit.results.edges import EDGES
from tests.unit.results.studies import START

KERAS = "/usr/lib/python3.11/site-packages/keras/src/utils/traceback_utils.py"


def raised(error: str, *frames: tuple[str, int, str]) -> str:
    """An error's text as a worker keeps it."""
    lines = [f'  File "{file}", line {line}, in {function}\n    …' for file, line, function in frames]
    return "\n".join([error, "", "Traceback (most recent call last):", *lines, error, ""])


@pytest.fixture
def failed(tmp_path: Path) -> Results:
    """A study of three trials that all failed."""
    return load_results(EDGES["all_failed"](tmp_path).store.uri, now=START)


def with_errors(results: Results, errors: list[str]) -> Results:
    """The same results with other errors."""
    return replace(results, trials=results.trials.assign(error=errors))


def test_failures_are_grouped_by_cause(failed: Results) -> None:
    """Errors that differ in numbers alone are one cause; the more frequent comes first."""
    errors = ["ValueError: units 3", "Traceback (most recent call last):\n  x\nKeyError: 'a'", "ValueError: units 14"]

    assert [(cause.what, list(cause.trials)) for cause in causes(with_errors(failed, errors))] == [
        ("ValueError: units 3", ["0000", "0002"]),
        ("KeyError: 'a'", ["0001"]),
    ]


def test_one_error_from_two_places_is_two_causes(failed: Results) -> None:
    """The same words raised elsewhere are another matter; the place is told."""
    here, there = ("/home/me/net.py", 7, "build"), ("/home/me/net.py", 9, "build")
    errors = [raised("ValueError: no", here), raised("ValueError: no", there), raised("ValueError: no", here)]

    assert [(cause.where, list(cause.trials)) for cause in causes(with_errors(failed, errors))] == [
        ("net.py:7 in build", ["0000", "0002"]),
        ("net.py:9 in build", ["0001"]),
    ]


@pytest.mark.parametrize(
    ("frames", "told"),
    [
        ([(trainer.__file__, 40, "build"), ("/home/me/net.py", 7, "build"), (KERAS, 122, "wrap")], "net.py:7 in build"),
        ([("/home/me/net.py", 7, "build"), ("/home/me/parts.py", 3, "layer")], "parts.py:3 in layer"),
        ([("/studies/x/source/tune_jobs.net.py", 7, "build")], "tune_jobs.net.py:7 in build"),
        ([("/somewhere/else/pipeline/training/trainer.py", 40, "build")], ""),
        ([("/home/me/pipeline/training/mine.py", 40, "build")], "mine.py:40 in build"),
        ([("/usr/lib/python3.11/json/decoder.py", 355, "raw_decode"), ("<frozen importlib>", 3, "load")], ""),
        ([(KERAS, 122, "wrap")], ""),
    ],
    ids=["keras", "innermost", "copy", "other-install", "a-users-pipeline", "python", "none"],
)
def test_the_place_is_the_innermost_of_the_users_own(frames: list[tuple[str, int, str]], told: str) -> None:
    """Frames of tunepipe, of Python and of libraries are passed over."""
    assert own_frame(raised("ValueError: no", *frames)) == told


def test_a_jobs_own_module_counts_wherever_it_is_installed() -> None:
    """A job that came as a package is the user's all the same."""
    error = raised("ValueError: no", ("/venv/lib/python3.11/site-packages/jobs/net.py", 7, "build"))

    assert own_frame(error) == ""
    assert own_frame(error, ["jobs/net.py"]) == "net.py:7 in build"


def test_where_keras_begins_with_which_layer_the_next_line_is_told_too() -> None:
    """The first says nothing of what is wrong; what a terminal would show in bold is plain text."""
    told = (
        "ValueError: Exception encountered when calling Dense.call().\n\n\x1b[1mToo wide.\x1b[0m\n\nArguments received"
    )
    assert first_line(told) == "ValueError: Exception encountered when calling Dense.call(). Too wide."
    assert first_line("ValueError: Too wide.\nmore") == "ValueError: Too wide."
