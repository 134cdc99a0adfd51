"""The tree of errors: exit codes, messages, and what survives a process."""

import io
import pickle
from contextlib import redirect_stdout
from pathlib import Path

import pytest

from pipeline import errors
from pipeline.errors import (
    DamagedFile,
    Fault,
    Interrupted,
    InvalidJob,
    NoTrialSucceeded,
    StudyChanged,
    TunepipeError,
    UserError,
)

FAULT = Fault("space.lr", 2, "must be below 1")


def test_every_error_has_the_exit_code_of_its_branch() -> None:
    codes = {Interrupted: 130, NoTrialSucceeded: 3, DamagedFile: 1, TunepipeError: 1}
    for error in vars(errors).values():
        if isinstance(error, type) and issubclass(error, TunepipeError):
            assert error.exit_code == (2 if issubclass(error, UserError) else codes[error])


def test_a_fault_has_place_value_and_allowed_values() -> None:
    assert str(FAULT) == "space.lr: must be below 1; found 2"
    assert "\x1b" not in str(Fault("name", "\x1b[2J", "must be plain"))
    assert len(str(Fault("name", "x" * 1000, "short"))) < 200


def test_a_job_is_refused_with_all_faults() -> None:
    assert str(InvalidJob("job 'a'", [FAULT])) == "job 'a' has one error:\n  - space.lr: must be below 1; found 2"
    lines = str(InvalidJob("job 'a'", [FAULT] * 60)).splitlines()
    assert (len(lines), lines[-1]) == (52, "  … and 10 more")


@pytest.mark.parametrize("error", [InvalidJob("job", [FAULT]), StudyChanged("study", [FAULT])])
def test_a_refusal_can_be_sent_to_another_process(error: InvalidJob) -> None:
    loaded = pickle.loads(pickle.dumps(error))
    assert type(loaded) is type(error)
    assert (loaded.subject, loaded.faults, str(loaded)) == (error.subject, error.faults, str(error))


def test_a_notebook_shows_the_message_and_the_user_s_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from IPython.core.interactiveshell import InteractiveShell

    monkeypatch.setenv("IPYTHONDIR", str(tmp_path))
    shell = InteractiveShell.instance(colors="nocolor")
    try:
        with redirect_stdout(io.StringIO()) as output:
            shell.run_cell(
                "from pipeline import UserError\n"
                "def failing():\n    open('no such file')  # here\n"
                "try:\n    failing()\n"
                "except OSError as error:\n    raise UserError('Fix it.') from error\n"
            )
    finally:
        shell.restore_sys_module_state()
        InteractiveShell.clear_instance()
    assert "# here" in output.getvalue()
    assert output.getvalue().rstrip().endswith("UserError: Fix it.")
