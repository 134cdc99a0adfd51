"""Failures are grouped by what went wrong and where in the user's own code."""

from pathlib import Path

import pytest

from pipeline.results import Results, load_results
from pipeline.results.analysis.failure_causes import causes, first_line
from tests.extreme_studies import EDGES
from tests.recorded_studies import START, with_tables


def raised(error: str, *frames: tuple[str, int, str]) -> str:
    lines = [f'  File "{file}", line {line}, in {function}\n    …' for file, line, function in frames]
    return "\n".join([error, "", "Traceback (most recent call last):", *lines, error, ""])


@pytest.fixture
def failed(tmp_path: Path) -> Results:
    return load_results(EDGES["all_failed"](tmp_path).store.uri, now=START)


def with_errors(results: Results, errors: list[str]) -> Results:
    return with_tables(results, trials=results.trials.assign(error=errors))


def test_failures_are_grouped_by_cause(failed: Results) -> None:
    errors = ["ValueError: units 3", "Traceback (most recent call last):\n  x\nKeyError: 'a'", "ValueError: units 14"]

    assert [(cause.what, list(cause.trials)) for cause in causes(with_errors(failed, errors))] == [
        ("ValueError: units 3", ["0000", "0002"]),
        ("KeyError: 'a'", ["0001"]),
    ]


def test_one_error_from_two_places_is_two_causes(failed: Results) -> None:
    here, there = ("/home/me/net.py", 7, "build"), ("/home/me/net.py", 9, "build")
    errors = [raised("ValueError: no", here), raised("ValueError: no", there), raised("ValueError: no", here)]

    assert [(cause.where, list(cause.trials)) for cause in causes(with_errors(failed, errors))] == [
        ("net.py:7 in build", ["0000", "0002"]),
        ("net.py:9 in build", ["0001"]),
    ]


@pytest.mark.parametrize(
    ("reported", "line"),
    [
        ("ValueError: Too wide.\nmore", "ValueError: Too wide."),
        ("ValueError:\n\nTraceback (most recent call last):\n  x", "ValueError:"),
        (
            "ValueError: Exception encountered when calling A.call().\n\n\x1b[1mToo wide.\x1b[0m\n\nArguments received",
            "ValueError: Exception encountered when calling A.call(). Too wide.",
        ),
        (
            "ValueError: Exception encountered when calling A.call().\n\n\x1b[1mAn error:\n\nToo wide\x1b[0m\n",
            "ValueError: Exception encountered when calling A.call(). An error: Too wide",
        ),
        (
            "InvalidArgumentError: Graph execution error:\n\nDetected at node loss defined at (most recent call):\n"
            f"<stack traces unavailable>\nReceived a label of 2 outside of [0, 2).  Label values: {'0 1 2 ' * 40}\n\t"
            " [[{{node loss}}]] [Op:__inference_1]\n\nTraceback (most recent call):",
            "InvalidArgumentError: Graph execution error: Received a label of 2 outside of [0, 2).",
        ),
        (
            "ResourceExhaustedError: {{function_node __wrapped__Uniform_CPU:0}} OOM of CPU:0 [Op:Uniform] name: ",
            "ResourceExhaustedError: OOM of CPU:0",
        ),
        ("Traceback (most recent call last):\n  x\nOutOfRange: End\n[Op:IteratorGetNext] name: ", "OutOfRange: End"),
        ("UnknownError: {{function_node x}} \nFailed to open: x [Op:Read] name: ", "UnknownError: Failed to open: x"),
    ],
)
def test_an_error_is_one_line_without_names_of_operations(reported: str, line: str) -> None:
    assert first_line(reported) == line
