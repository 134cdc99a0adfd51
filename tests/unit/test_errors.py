"""The tree of errors: exit codes, messages, and what survives a process."""

import errno
import io
import pickle
import re
from contextlib import redirect_stdout
from pathlib import Path

import pytest

from pipeline import errors
from pipeline.errors import (
    DamagedFile,
    EndUnknown,
    Fault,
    Interrupted,
    InvalidJob,
    NoTrialSucceeded,
    OutputLost,
    StudyChanged,
    TunepipeError,
    UserError,
)

FAULT = Fault("space.lr", 2, "must be below 1")


def _tree() -> list[type[TunepipeError]]:
    return [each for each in vars(errors).values() if isinstance(each, type) and issubclass(each, TunepipeError)]


def test_every_error_has_the_exit_code_of_its_branch() -> None:
    """The exit code is 2 for a user's mistake, 130 if interrupted, 3 without a value, 4 if unknown, 1 otherwise."""
    codes = {Interrupted: 130, NoTrialSucceeded: 3, EndUnknown: 4, DamagedFile: 1, TunepipeError: 1}
    for error in _tree():
        assert error.exit_code == (2 if issubclass(error, UserError) else codes[error])


def test_the_drawn_tree_is_the_real_one() -> None:
    """The docstring of the errors' module names each error once, below its base class."""
    base: list[str] = []
    for line in (errors.__doc__ or "").splitlines():
        if match := re.match(r"((?:│   |    |├── |└── )*)([A-Z]\w+)(?: |$)", line):
            depth = len(match[1]) // 4
            base[depth:] = [match[2]]
            if depth:
                assert getattr(errors, match[2]).__base__.__name__ == base[depth - 1]
    drawn = re.findall(r"[─ ]([A-Z]\w+) {2}|^([A-Z]\w+)$|└── ([A-Z]\w+) ", errors.__doc__ or "", re.M)
    assert sorted("".join(found) for found in drawn) == sorted(each.__name__ for each in _tree())


def test_a_fault_has_place_value_and_allowed_values() -> None:
    """A fault has place, value and allowed values, and untrusted values are escaped and shortened."""
    assert str(FAULT) == "space.lr: must be below 1; found 2"
    assert str(Fault("name", "\x1b[2J", "must be plain")).endswith(r"found '\\x1b[2J'".replace(r"\\", "\\"))
    assert len(str(Fault("name", "x" * 1000, "short"))) < 200


def test_a_value_that_cannot_be_shown_is_named_by_its_type() -> None:
    """A fault names the type of a user's object whose repr fails."""

    class Strange:
        def __repr__(self) -> str:
            raise RuntimeError

    assert str(Fault("x", Strange(), "no")) == "x: no; found a Strange that cannot be shown"


def test_a_job_is_refused_with_all_faults() -> None:
    """The error for a job has a line for each of up to fifty faults, and the number of further ones."""
    assert str(InvalidJob("job 'a'", [FAULT])) == "job 'a' has one error:\n  - space.lr: must be below 1; found 2"
    lines = str(InvalidJob("job 'a'", [FAULT] * 60)).splitlines()
    assert lines[0] == "job 'a' has 60 errors:"
    assert (len(lines), lines[-1]) == (52, "  … and 10 more")


@pytest.mark.parametrize(
    "error", [InvalidJob("job", [FAULT]), StudyChanged("study", [FAULT], "- a", typed=True), StudyChanged("s", [FAULT])]
)
def test_a_refusal_can_be_sent_to_another_process(error: InvalidJob) -> None:
    """An error with faults has the same type, subject, faults and text after it is pickled and loaded."""
    loaded = pickle.loads(pickle.dumps(error))
    assert type(loaded) is type(error)
    assert (loaded.subject, loaded.faults, str(loaded)) == (error.subject, error.faults, str(error))


def test_a_changed_study_shows_the_difference_and_what_to_do() -> None:
    """The error for a changed study has the difference and the command that resumes it, or the call for a typed job."""
    command, call = (str(StudyChanged("study s", [FAULT], "- old\n+ new", typed=typed)) for typed in (False, True))
    assert "- old\n+ new\n`tunepipe resume NAME`" in command
    assert "run(JOB, resume=True, accept_changes=True)" in call


def test_output_whose_reader_is_gone_is_lost_in_silence() -> None:
    """Output to a closed pipe ends without a message and with SIGPIPE's exit code, and a full disk is explained."""
    pipe, disk = OutputLost(errno.EPIPE, "Broken pipe"), OutputLost(errno.ENOSPC, "No space left on device")
    assert (pipe.exit_code, str(pipe)) == (141, "")
    assert disk.exit_code == 2
    assert str(disk) == "Standard output cannot be written: No space left on device. Redirect it to another file."


def test_a_notebook_gets_advice_that_works_in_a_notebook() -> None:
    """In a notebook, an error names the call that resumes instead of a command, even after pickling."""
    for typed, advice in ((True, "run(JOB, resume=True, accept_changes=True)"), (False, "`tunepipe resume NAME`")):
        error = StudyChanged("the study 's', to be resumed,", [Fault("seed", 1, "must stay 0")], typed=typed)
        for each in (error, pickle.loads(pickle.dumps(error))):
            assert advice in str(each)
            assert ("--accept-changes" in str(each)) != typed


def test_a_notebook_shows_the_user_s_own_lines(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A notebook shows the message, the user's cell and the error of the user's code, and no line of tunepipe."""
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
