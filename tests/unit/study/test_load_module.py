"""Loading the Python file of a job."""

import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from pipeline.errors import InvalidJob, JobNotFound
from pipeline.study import TuneJob
from pipeline.study.load_module import load_module, split_job_name

pytestmark = pytest.mark.usefixtures("own_modules")


def test_a_job_file_is_loaded(write: Callable[..., Path]) -> None:
    """A job file is loaded under its own name, and can import modules of its folder like a script."""
    path = write(1)
    (path.parent / "beside_it.py").write_text("VALUE = 3")
    path.write_text(path.read_text() + "\nimport beside_it\nVALUE = beside_it.VALUE")
    module = load_module(path)
    assert sys.modules["a_job"] is module
    assert (module.JOB.model({}), module.VALUE) == (1, 3)


def test_a_job_file_s_name_need_not_be_a_name_of_python(write: Callable[..., Path]) -> None:
    """A job file named my-job.py, which is not a Python identifier, is loaded, and its job survives JSON."""
    job = load_module(write(1, "my-job.py")).JOB
    assert job.to_json()["model"]["function"] == "my-job:build"
    assert TuneJob.from_json(job.to_json()) == job


@pytest.mark.parametrize("name", ["nope.py", "folder"])
def test_a_missing_job_file_is_reported(tmp_path: Path, name: str) -> None:
    """A missing job file is reported with a description of job files."""
    (tmp_path / "folder").mkdir()
    with pytest.raises(JobNotFound, match=r"There is no job file .*" + name + r".*exports JOB"):
        load_module(tmp_path / name)


def test_not_a_python_file(tmp_path: Path) -> None:
    """A job file with a suffix other than .py is refused before it runs."""
    (tmp_path / "a.txt").write_text("1/0")
    with pytest.raises(JobNotFound, match="not a Python file"):
        load_module(tmp_path / "a.txt")


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("x = 1\n1/0", r"ZeroDivisionError: division by zero \(line 2\)"),
        ("def f(:", r"SyntaxError: .*\(line 1\)"),
        ("import no_such_thing", r"ModuleNotFoundError: No module named 'no_such_thing' \(line 1\)"),
        ("\n\n\ndef f():\n    raise KeyError('k')\nf()", r"KeyError: 'k' \(line 5\)"),
        ("x = '\\0'\ny = \0", r"(SyntaxError|ValueError): .*null"),
    ],
)
def test_an_error_in_a_job_file_is_reported(tmp_path: Path, text: str, found: str) -> None:
    """An error in a job file is reported with its line, and no half-loaded module remains."""
    path = tmp_path / "broken.py"
    path.write_text(text)
    with pytest.raises(InvalidJob, match=r"file: must run as Python; found .*" + found):
        load_module(path)
    assert "broken" not in sys.modules


def test_names_in_the_current_folder_are_reported_with_a_remedy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A module of the current folder that is not found, and a relative path, are reported with what to do."""
    (tmp_path / "mine").mkdir()
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "mine/job.py"
    path.write_text("from mine.nets import net")
    with pytest.raises(InvalidJob, match=r"mine is in the current folder, .* set PYTHONPATH=\."):
        load_module(path)
    path.write_text("open('settings.json')")
    with pytest.raises(InvalidJob, match=rf"the path is relative to the current folder, {tmp_path}: run tunepipe"):
        load_module(path)
    path.write_text("open('/settings.json')")
    with pytest.raises(InvalidJob, match=r"file: must run as Python; found"):
        load_module(path)


@pytest.mark.parametrize("line", ["get_ipython().run_line_magic('matplotlib', 'inline')", "display(1)"])
def test_a_magic_of_a_converted_notebook_is_reported_with_a_remedy(tmp_path: Path, line: str) -> None:
    """A name that only a notebook has is reported with what to do about its line."""
    path = tmp_path / "converted.py"
    path.write_text(f"x = 1\n{line}\n")
    with pytest.raises(InvalidJob, match=r"only a notebook has that name: remove the lines .*\(line 2\)"):
        load_module(path)


@pytest.mark.parametrize(
    ("call", "reported"),
    [
        ("Budget(trails=2)", r"Budget\.trails: .* available: trials, .*did you mean trials\?; .*'trails= in line 2'"),
        ("Resources(worker=2)", r"Resources\.worker: .*did you mean workers\?"),
        ("ASHA(grace=1)", r"ASHA\.grace: .*did you mean grace_period\?"),
        ("Uniform(0, hgh=1)", r"Uniform\.hgh: .*did you mean high\?"),
        ("dict.fromkeys(x=1)", r"file: must run as Python; found .TypeError"),
    ],
)  # fmt: skip
def test_a_misspelt_field_is_reported(tmp_path: Path, call: str, reported: str) -> None:
    """A misspelt field is reported with its place, the existing fields and a suggestion; other errors are unchanged."""
    path = tmp_path / "misspelt.py"
    path.write_text(f"from pipeline import ASHA, Budget, Resources, Uniform\n{call}")
    with pytest.raises(InvalidJob, match=reported):
        load_module(path)


def test_faults_of_a_job_in_a_file_are_its_own(tmp_path: Path) -> None:
    """Faults of a job in a file are raised without a wrapping error."""
    path = tmp_path / "faulty.py"
    path.write_text("from pipeline.study import TuneJob\nJOB = TuneJob(name='x')")
    with pytest.raises(InvalidJob, match=r"^job 'x' has 3 errors"):
        load_module(path)


def test_a_backend_of_keras_that_is_missing_is_reported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A job file that sets Keras to a backend that is not installed is refused with how to set the backend."""
    monkeypatch.setenv("KERAS_BACKEND", "jax")
    path = tmp_path / "other.py"
    path.write_text("raise ModuleNotFoundError(\"No module named 'jax'\", name='jax')")
    with pytest.raises(InvalidJob, match=r"keras: must use the backend tensorflow.*found 'jax'"):
        load_module(path)


@pytest.mark.parametrize("name", ["json", "random", "keras", "pipeline"])
def test_a_job_file_must_not_hide_another_module(tmp_path: Path, name: str) -> None:
    """A job file such as keras.py, which would hide another module, is refused."""
    before = sys.modules.get(name)
    path = tmp_path / f"{name}.py"
    path.write_text("")
    with pytest.raises(InvalidJob, match=f"must not have the name of the module {name}, which others import: rename"):
        load_module(path)
    assert sys.modules.get(name) is before


@pytest.mark.parametrize(
    ("job", "parts"),
    [
        ("a.py", ("a.py", "")),
        ("folder/a.py:build", ("folder/a.py", ":build")),
        ("a.py:", ("a.py", ":")),
        ("mnist-asha", ("mnist-asha", "")),
        ("mnist:asha", ("mnist:asha", "")),
    ],
)
def test_only_a_file_has_a_name_in_it(job: str, parts: tuple[str, str]) -> None:
    """A file with the name of a job in it is split into two parts, and a job's name is not split."""
    assert split_job_name(job) == parts


def test_a_script_that_runs_its_job_is_loaded_up_to_that_line(tmp_path: Path) -> None:
    """Loading a script without a `__main__` guard starts no study, and skips the lines after `run`."""
    (tmp_path / "script.py").write_text(
        "from pipeline import run\n\n\ndef f(config):\n    yield {'score': 1.0}\n\n\n"
        "run(None)\nafter = open('missing')\n"
    )
    module = load_module(tmp_path / "script.py", "script_of_a_test")
    assert list(module.f({})) == [{"score": 1.0}]
    assert not hasattr(module, "after")


def test_a_script_that_runs_its_job_in_a_thread_starts_no_study(tmp_path: Path) -> None:
    """A study that a script starts in a thread while it is loaded is refused in that thread, and later is not."""
    (tmp_path / "script.py").write_text(
        "import threading\nfrom pipeline import run\n\nfound = []\n\n\ndef start():\n    try:\n        run(None)\n"
        "    except Exception as error:\n        found.append(str(error))\n\n\n"
        "thread = threading.Thread(target=start)\nthread.start()\nthread.join()\n"
    )
    module = load_module(tmp_path / "script.py", "threaded_script_of_a_test")
    assert module.found[0].startswith("A job's file starts a study in a thread while it is loaded")
    thread = threading.Thread(target=module.start)
    thread.start()
    thread.join()
    assert module.found[1].startswith("run() takes a TuneJob")


def test_a_job_file_reads_the_arguments_of_its_script(tmp_path: Path) -> None:
    """A file that parses a command line gets the given arguments, not those of this process."""
    path = tmp_path / "parses.py"
    path.write_text(
        "import argparse\nparser = argparse.ArgumentParser()\nparser.add_argument('--size', type=int, default=1)\n"
        "SIZE = parser.parse_args().size\n"
    )
    assert load_module(path, "parses_of_a_test").SIZE == 1
    assert load_module(path, "parses_of_a_test", arguments=["--size", "3"]).SIZE == 3


def test_an_interrupt_while_a_job_file_is_loaded_is_not_the_files(tmp_path: Path) -> None:
    """An interrupt in a job's file is raised as it is, and the module that had its name is there again."""
    path = tmp_path / "interrupted.py"
    path.write_text("x = 1")
    module = load_module(path)
    path.write_text("raise KeyboardInterrupt")
    with pytest.raises(KeyboardInterrupt):
        load_module(path)
    assert sys.modules["interrupted"] is module


def test_a_job_file_that_ends_the_process_is_refused(tmp_path: Path) -> None:
    """A file whose command line needs an argument is refused with its line, and the message asks for default values."""
    path = tmp_path / "needs.py"
    path.write_text(
        "import argparse\nparser = argparse.ArgumentParser()\nparser.add_argument('size')\nparser.parse_args()\n"
    )
    with pytest.raises(InvalidJob, match=r"runs the file without arguments: .* 'SystemExit: 2 \(line 4\)'"):
        load_module(path)
