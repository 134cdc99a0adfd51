"""Code that reports by calls, as an iterator."""

import threading
from typing import Any

import pytest

from pipeline.adapters.steps import Steps
from pipeline.study.context import TrialContext, in_trial, trial


def test_reports_are_steps_and_the_code_waits_between_them() -> None:
    """Code that reports by calls waits after each report until the next step is requested."""
    at: list[int] = []

    def code(steps: Steps) -> None:
        for number in range(3):
            at.append(number)
            steps.report(number)

    steps = Steps(code)
    assert at == []
    assert next(steps) == 0
    assert at == [0]
    assert list(steps) == [1, 2]


def test_the_result_of_the_code_may_be_a_last_step() -> None:
    """What the code returns becomes a last step by the caller's function, which also gets the number of steps."""
    steps = Steps(lambda _: "end", lambda value, count: (value, count))
    assert list(steps) == [("end", 0)]


def test_a_last_step_ends_the_code_when_another_is_wanted() -> None:
    """Code waits at its last step while that is used, and ends where it waits when the next step is wanted."""
    ended: list[str] = []

    def code(steps: Steps) -> None:
        try:
            for number in range(5):
                steps.report(number, last=number == 1)
        finally:
            ended.append("cleaned up")

    steps = Steps(code)
    assert [next(steps), next(steps)] == [0, 1]
    assert ended == []
    assert list(steps) == []
    assert ended == ["cleaned up"]
    assert steps.stopped


def test_an_error_of_the_code_is_raised_with_its_place() -> None:
    """An error of code that reports by calls is raised with that code's frame last in the traceback."""

    def code(_: Steps) -> None:
        raise ZeroDivisionError("mine")

    with pytest.raises(ZeroDivisionError, match="mine") as raised:
        next(Steps(code))
    assert [entry.name for entry in raised.traceback][-1] == "code"
    assert list(Steps(lambda _: None)) == []


def test_close_ends_the_code_where_it_waits() -> None:
    """Closing the steps ends waiting code despite its `except Exception`, runs its clean-up and leaves no thread."""
    reported: list[str] = []

    def code(steps: Steps) -> None:
        try:
            while True:
                try:
                    steps.report(1)
                except Exception:
                    reported.append("caught")
        finally:
            reported.append("cleaned up")

    before = threading.active_count()
    steps = Steps(code)
    next(steps)
    steps.close()
    steps.close()
    assert reported == ["cleaned up"]
    assert threading.active_count() == before
    assert list(steps) == []


def test_the_code_knows_its_trial(tmp_path: Any) -> None:
    """Code that reports by calls gets its trial from `trial()` although it runs in another thread."""
    with in_trial(TrialContext("0003", 1, 2, tmp_path)):
        assert next(Steps(lambda steps: steps.report(trial().id))) == "0003"
