"""A failure as a finding."""

import pytest

from pipeline.execution.preflight.failure_findings import error_text, failed_finding
from pipeline.execution.preflight.finding import Failure, Finding

TRACE = """Traceback (most recent call last):
  File "/copies/source/mine.py", line 7, in build_model
    return layers(config)
  File "/usr/lib/python3.11/site-packages/keras/layer.py", line 99, in __init__
    raise ValueError("no")
ValueError: no
"""


@pytest.mark.parametrize(
    ("trace", "sources", "text"),
    [
        (TRACE, {}, "ValueError: no (/copies/source/mine.py, line 7, in build_model: return layers(config))"),
        (
            TRACE,
            {"/copies/source/mine.py": "/home/me/mine.py"},
            "ValueError: no (/home/me/mine.py, line 7, in build_model: return layers(config))",
        ),
        (
            TRACE.replace("    return layers(config)\n", ""),
            {},
            "ValueError: no (/copies/source/mine.py, line 7, in build_model)",
        ),
        ("", {}, "ValueError: no"),
    ],
    ids=["line", "own-file", "no-code", "no-traceback"],
)
def test_an_error_has_the_users_line(trace: str, sources: dict[str, str], text: str) -> None:
    """An error's text has the innermost line of the user's code, with the path of the user's own file."""
    assert error_text("ValueError: no\nmore", trace, sources) == text


def test_a_long_message_is_cut() -> None:
    """The text of an error that is longer than 400 characters is cut and ends with an ellipsis."""
    assert error_text("x" * 500, "", {}) == "x" * 399 + "…"


def test_a_stage_that_failed_is_a_fault() -> None:
    """The finding of a failed stage has the stage's name, the error and the advice."""
    assert failed_finding("data", Failure("ValueError: no"), {}, "Fix it.") == Finding(
        "data", "error", "ValueError: no", "Fix it."
    )
