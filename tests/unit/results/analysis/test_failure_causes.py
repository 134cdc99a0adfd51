"""Failures are grouped by what went wrong and where in the user's own code."""

from dataclasses import replace
from pathlib import Path

import pytest

from pipeline.results import Results, load_results
from pipeline.results.analysis.failure_causes import causes, first_line, own_frame, without_libraries
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
    """Errors that differ only in numbers are one cause, and the most frequent cause is first."""
    errors = ["ValueError: units 3", "Traceback (most recent call last):\n  x\nKeyError: 'a'", "ValueError: units 14"]

    assert [(cause.what, list(cause.trials)) for cause in causes(with_errors(failed, errors))] == [
        ("ValueError: units 3", ["0000", "0002"]),
        ("KeyError: 'a'", ["0001"]),
    ]


def test_one_error_from_two_places_is_two_causes(failed: Results) -> None:
    """The same message raised at two places is two causes, each with its location."""
    here, there = ("/home/me/net.py", 7, "build"), ("/home/me/net.py", 9, "build")
    errors = [raised("ValueError: no", here), raised("ValueError: no", there), raised("ValueError: no", here)]

    assert [(cause.where, list(cause.trials)) for cause in causes(with_errors(failed, errors))] == [
        ("net.py:7 in build", ["0000", "0002"]),
        ("net.py:9 in build", ["0001"]),
    ]


@pytest.mark.parametrize(
    ("frames", "reported"),
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
def test_the_place_is_the_innermost_of_the_users_own(frames: list[tuple[str, int, str]], reported: str) -> None:
    """Frames of tunepipe, of Python and of libraries are passed over."""
    assert own_frame(raised("ValueError: no", *frames)) == reported


def test_a_jobs_own_module_counts_wherever_it_is_installed() -> None:
    """A job that came as a package is the user's all the same."""
    error = raised("ValueError: no", ("/venv/lib/python3.11/site-packages/jobs/net.py", 7, "build"))

    assert own_frame(error) == ""
    assert own_frame(error, ["jobs/net.py"]) == "net.py:7 in build"


def test_the_line_after_keras_layer_is_reported() -> None:
    """If Keras' first line names only the layer, the next line is included, without markup for bold text."""
    reported = (
        "ValueError: Exception encountered when calling Dense.call().\n\n\x1b[1mToo wide.\x1b[0m\n\nArguments received"
    )
    assert first_line(reported) == "ValueError: Exception encountered when calling Dense.call(). Too wide."
    assert first_line("ValueError: Too wide.\nmore") == "ValueError: Too wide."


def test_an_error_of_a_tensorflow_graph_is_reported_by_its_sentence():
    """An error of a TensorFlow graph is reported by its sentence, without node names and values."""
    reported = (
        "InvalidArgumentError: Graph execution error:\n\nDetected at node loss defined at (most recent call last):\n"
        "<stack traces unavailable>\nReceived a label value of 2 which is outside the valid range of [0, 2).  "
        f"Label values: {'0 1 2 ' * 40}\n\t [[{{{{node loss}}}}]] [Op:__inference_1]\n\nTraceback (most recent call):"
    )
    sentence = "Received a label value of 2 which is outside the valid range of [0, 2)."
    assert first_line(reported) == f"InvalidArgumentError: Graph execution error: {sentence}"
    assert first_line("ValueError:\n\nTraceback (most recent call last):\n  x") == "ValueError:"


def test_frames_of_libraries_are_counted() -> None:
    """Of each run of frames in libraries the last one stays, and the frames of the user's code all do."""
    library = (
        '  File "/lib/python3.12/site-packages/keras/a.py", line {}, in call\n    return inner()\n           ^^^^^^^'
    )
    own = '  File "/home/you/job.py", line 4, in build\n    layer(3)'
    head, end = "printed\nTraceback (most recent call last):", "ValueError: no"
    text = "\n".join([head, *map(library.format, (1, 2, 3)), own, *map(library.format, (4, 5)), end])
    assert without_libraries(text) == "\n".join(
        [
            head,
            "  … 2 frames in libraries …",
            library.format(3),
            own,
            "  … 1 frame in libraries …",
            library.format(5),
            end,
        ]
    )
    assert without_libraries("") == ""
    assert without_libraries("no traceback\n    indented") == "no traceback\n    indented"
