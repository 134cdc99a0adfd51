"""The frames of a traceback that are a user's own code."""

import re
import traceback
from pathlib import Path
from types import TracebackType

import pytest

import pipeline
from pipeline.code import Recorded
from pipeline.traceback_frames import without_own_frames


def trace_of_an_error() -> TracebackType:
    """The traceback of an error within tunepipe, whose outermost frame is in the standard library."""
    try:
        re.sub("a", lambda _: str(Recorded([])), "a")
    except Exception as error:
        trace = error.__traceback__
        assert trace is not None
        return trace
    raise AssertionError("a list is no record")


def test_frames_of_tunepipe_and_of_libraries_between_are_left_out() -> None:
    """Of an error that tunepipe raises, the frames of the user's files stay, in their order."""
    found = [frame.name for frame in traceback.extract_tb(without_own_frames(trace_of_an_error()))]
    assert found == ["trace_of_an_error", "<lambda>"]


def test_frames_of_a_library_that_calls_the_user_stay() -> None:
    """The outermost frames of a library stay, because a notebook counts them."""
    trace = trace_of_an_error().tb_next
    assert trace is not None
    assert trace.tb_frame.f_code.co_name == "sub"
    found = [frame.name for frame in traceback.extract_tb(without_own_frames(trace))]
    assert found == ["sub", "<lambda>"]


def test_frames_of_a_file_beside_tunepipe_are_the_users() -> None:
    """A file whose path begins as that of tunepipe's package, such as pipeline_job.py next to it, is the user's."""
    code = compile("int('a')", f"{Path(pipeline.__file__).parent}_job.py", "exec")
    with pytest.raises(ValueError, match="invalid literal") as raised:
        exec(code, {})
    trace = raised.value.__traceback__
    assert traceback.extract_tb(without_own_frames(trace)) == traceback.extract_tb(trace)


def test_a_traceback_without_frames_of_tunepipe_is_unchanged() -> None:
    """A traceback of the user's code alone keeps its frames."""
    with pytest.raises(ValueError, match="invalid literal") as raised:
        int("a")
    trace = raised.value.__traceback__
    assert traceback.extract_tb(without_own_frames(trace)) == traceback.extract_tb(trace)
    assert without_own_frames(None) is None
