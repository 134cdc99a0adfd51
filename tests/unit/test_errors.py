"""The tree of errors: exit codes, messages, and what survives a process."""

import io
import pickle
import re
import traceback
from contextlib import redirect_stdout
from pathlib import Path
from types import TracebackType

import pytest

from pipeline import errors
from pipeline.code import Recorded
from pipeline.errors import (
    DamagedFile,
    Fault,
    Interrupted,
    InvalidJob,
    NoTrialSucceeded,
    StudyChanged,
    TunepipeError,
    UserError,
    without_own_frames,
)

FAULT = Fault("space.lr", 2, "must be below 1")


def _tree() -> list[type[TunepipeError]]:
    return [each for each in vars(errors).values() if isinstance(each, type) and issubclass(each, TunepipeError)]


def test_every_error_has_the_exit_code_of_its_branch() -> None:
    codes = {Interrupted: 130, NoTrialSucceeded: 3, DamagedFile: 1, TunepipeError: 1}
    for error in _tree():
        assert error.exit_code == (2 if issubclass(error, UserError) else codes[error])


def test_a_fault_has_place_value_and_allowed_values() -> None:
    assert str(FAULT) == "space.lr: must be below 1; found 2"
    assert str(Fault("name", "\x1b[2J", "must be plain")).endswith(r"found '\\x1b[2J'".replace(r"\\", "\\"))
    assert len(str(Fault("name", "x" * 1000, "short"))) < 200


def test_a_job_is_refused_with_all_faults() -> None:
    assert str(InvalidJob("job 'a'", [FAULT])) == "job 'a' has one error:\n  - space.lr: must be below 1; found 2"
    lines = str(InvalidJob("job 'a'", [FAULT] * 60)).splitlines()
    assert lines[0] == "job 'a' has 60 errors:"
    assert (len(lines), lines[-1]) == (52, "  … and 10 more")


@pytest.mark.parametrize(
    "error", [InvalidJob("job", [FAULT]), StudyChanged("study", [FAULT], "- a", typed=True), StudyChanged("s", [FAULT])]
)
def test_a_refusal_can_be_sent_to_another_process(error: InvalidJob) -> None:
    loaded = pickle.loads(pickle.dumps(error))
    assert type(loaded) is type(error)
    assert (loaded.subject, loaded.faults, str(loaded)) == (error.subject, error.faults, str(error))


def test_a_notebook_gets_advice_that_works_in_a_notebook() -> None:
    for typed, advice in ((True, "run(JOB, resume=True, accept_changes=True)"), (False, "`tunepipe resume NAME`")):
        error = StudyChanged("the study 's', to be resumed,", [Fault("seed", 1, "must stay 0")], typed=typed)
        for each in (error, pickle.loads(pickle.dumps(error))):
            assert advice in str(each)
            assert ("--accept-changes" in str(each)) != typed


def test_a_notebook_shows_the_user_s_own_lines(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from IPython.core.interactiveshell import InteractiveShell

    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path))
    shell = InteractiveShell.instance(colors="nocolor")
    try:
        with redirect_stdout(io.StringIO()) as output:
            shell.run_cell(
                "from pipeline import Dataset, Objective, TuneJob, run\n"
                "def data():\n    return Dataset(train=open('no such file'))\n"
                "def build(config): ...\n"
                "job = TuneJob(name='a', model=build, data=data, space={}, objectives=[Objective('loss', 'min')])\n"
                "run(job, workers=0, storage='studies', note=lambda _: None)  # here\n"
            )
    finally:
        shell.restore_sys_module_state()
        InteractiveShell.clear_instance()
    text = output.getvalue()
    assert "The data function data raised FileNotFoundError" in text
    assert "open('no such file')" in text
    assert "# here" in text
    assert "pipeline/" not in text


def trace_of_an_error() -> TracebackType:
    try:
        re.sub("a", lambda _: str(Recorded([])), "a")
    except Exception as error:
        trace = error.__traceback__
        assert trace is not None
        return trace
    raise AssertionError("a list is no record")


def test_frames_of_tunepipe_and_of_libraries_between_are_left_out() -> None:
    found = [frame.name for frame in traceback.extract_tb(without_own_frames(trace_of_an_error()))]
    assert found == ["trace_of_an_error", "<lambda>"]


def test_frames_of_a_library_that_calls_the_user_stay() -> None:
    trace = trace_of_an_error().tb_next
    assert trace is not None
    assert trace.tb_frame.f_code.co_name == "sub"
    found = [frame.name for frame in traceback.extract_tb(without_own_frames(trace))]
    assert found == ["sub", "<lambda>"]
