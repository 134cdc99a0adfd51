"""Frames of the user's code among those of tunepipe, Python and libraries."""

import pytest

from pipeline.study.user_frames import Frame, is_tunepipe_file, is_user_file, user_frame, without_libraries
from pipeline.training import trainer

KERAS = "/usr/lib/python3.11/site-packages/keras/src/utils/traceback_utils.py"


def raised(error: str, *frames: tuple[str, int, str]) -> str:
    """The text of an error as a worker stores it."""
    lines = [f'  File "{file}", line {line}, in {function}\n    …' for file, line, function in frames]
    return "\n".join([error, "", "Traceback (most recent call last):", *lines, error, ""])


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
    """The place of an error is the innermost frame outside of tunepipe, Python and libraries."""
    frame = user_frame(raised("ValueError: no", *frames))
    assert (frame.place if frame else "") == reported


def test_a_jobs_own_module_counts_wherever_it_is_installed() -> None:
    """A frame in an installed package is the user's only if the file is one of the job's modules."""
    error = raised("ValueError: no", ("/venv/lib/python3.11/site-packages/jobs/net.py", 7, "build"))

    assert user_frame(error) is None
    frame = user_frame(error, ["jobs/net.py"])
    assert frame is not None
    assert frame.place == "net.py:7 in build"


def test_frames_of_libraries_are_counted() -> None:
    """Only the last of successive frames in libraries is kept, and all frames of the user's code are."""
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


def test_a_frame_has_its_line_of_code_where_the_traceback_has_it() -> None:
    """A frame without a line of code, as of a missing file, is followed by the next frame or the error."""
    with_code = '  File "/home/me/net.py", line 7, in build\n    return layers(config)\n           ^^^^^^'
    assert user_frame(f"{with_code}\nValueError: no") == Frame("/home/me/net.py", 7, "build", "return layers(config)")
    without = '  File "/home/me/net.py", line 7, in build\n  File "<string>", line 1, in nothing\nValueError: no'
    assert user_frame(without) == Frame("/home/me/net.py", 7, "build", "")


def test_a_file_is_the_users_by_its_path() -> None:
    """Files of Python, installed packages and tunepipe are not the user's, on this and other machines."""
    assert is_user_file(__file__)
    assert not any(map(is_user_file, (trainer.__file__, pytest.__file__, KERAS, "<string>")))


def test_a_file_of_tunepipe_is_known_by_its_path() -> None:
    """A file is tunepipe's if its path ends as that of one of its modules, even in another installation."""
    assert is_tunepipe_file(trainer.__file__)
    assert is_tunepipe_file("/somewhere/else/pipeline/training/trainer.py")
    assert not is_tunepipe_file("/home/me/pipeline/training/mine.py")
