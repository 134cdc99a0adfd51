"""Job files of any name are refused before anything is trained, or are trained, readable and resumable."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from pipeline import run
from pipeline.code.snapshot import as_before
from pipeline.errors import UserError
from pipeline.results import load_results
from tests.cases import cases
from tests.command import continued, tunepipe
from tune_jobs import find

pytestmark = pytest.mark.usefixtures("no_pictures")

JOB = """
from pipeline import FIFO, Budget, Objective, TuneJob, Uniform, run


def descend(config):
    import hostile_beside

    for _ in range(4):
        yield {"distance": config["rate"] * hostile_beside.FACTOR}


JOB = TuneJob(
    name="named",
    function=descend,
    space={"rate": Uniform(0.1, 0.9)},
    objectives=[Objective("distance", "min")],
    scheduler=FIFO(),
    budget=Budget(trials=1, epochs=1),
)
if __name__ == "__main__":
    run(JOB.replaced({"resources.workers": 0}))
"""

NAMES = [
    "my job", "random", "größe", "a.b", "-x", "1st", "class", "None", "pipeline", "__main__", "$HOME", "`id`", "a;b",
    "a'b", "a\\b", "a%sb", "{a}", "*", " a ", "..", ".hidden", "a\nb", "a\x1b[31mb", "\u202egpj", "a\u0301", "\udcff",
    "x" * 201, "ä" * 100, "<stdin>", "s3:",
]  # fmt: skip


def _gone_through(path: str, folder: Path, storage: Path) -> None:
    """Run a job file like the command, without leaderboard and page.

    Where it is refused, nothing is written. Else its study can be read, and gone on with when the file is gone.
    """
    try:
        job = find(path)
    except UserError:
        assert not storage.exists()
        return
    run(job.replaced({"resources.workers": 0}), storage=storage, note=lambda _: None)
    assert load_results(storage / "named").state == "ended"
    for file in (each for each in folder.iterdir() if each.is_file()):
        file.unlink()
    loaded = [name for name, module in sys.modules.items() if str(folder) in str(getattr(module, "__file__", ""))]
    for name in loaded:
        del sys.modules[name]
    assert continued(storage / "named", trials=2) is None
    assert len(load_results(storage / "named").trials) == 2


@pytest.fixture(autouse=True)
def _nothing_stays() -> Iterator[None]:
    """Remove a study's copies, so that later tests do not find them."""
    with as_before():
        yield


def _written(folder: Path, name: str) -> str:
    """A job file of that name and a module that it imports."""
    folder.mkdir(parents=True)
    (folder / "hostile_beside.py").write_text("FACTOR = 2.0")
    (folder / f"{name}.py").write_text(JOB)
    return os.fspath(folder / f"{name}.py")


@pytest.mark.parametrize("name", cases(NAMES, ("my job", "größe")))
def test_a_job_file_of_any_name_is_refused_or_run_and_resumed_from_copies(name: str, tmp_path: Path) -> None:
    folder = tmp_path / "mine"
    others = {module: sys.modules.get(module) for module in ("random", "keras", "numpy", "pipeline", "tune_jobs")}
    _gone_through(_written(folder, name), folder, tmp_path / "studies")
    assert {module: sys.modules.get(module) for module in others} == others


def test_a_file_may_print_and_change_the_folder_before_its_study_is_written(tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    path = Path(_written(tmp_path / "mine", "moves"))
    path.write_text("import os\n\nos.chdir(os.path.dirname(os.path.abspath(__file__)))\nprint('moved')\n" + JOB)
    for words in (("run", "mine/moves.py"), ("resume", "named", "--trials", "2")):
        said = tunepipe(*words, "--workers", "0", "--json")
        assert json.loads(said.output)["location"] == str(tmp_path / "studies/named"), said
        monkeypatch.chdir(tmp_path)


@pytest.mark.long
@pytest.mark.parametrize("way", ["stdin", "script", "module"])
def test_a_script_runs_its_own_job(way: str, tmp_path: Path) -> None:
    """A study of a script's own job can be read and, without the script, resumed; one from stdin cannot."""
    folder = tmp_path / "mine"
    path = _written(folder, "script x" if way != "module" else "script_x")
    words = {"stdin": ["-"], "script": [str(path)], "module": ["-m", "script_x"]}[way]
    reported = {"input": JOB} if way == "stdin" else {}
    done = subprocess.run([sys.executable, *words], cwd=folder, capture_output=True, text=True, check=False, **reported)
    assert done.returncode == 0, done.stderr
    storage = str(folder / "studies")
    assert tunepipe("results", "named", "--storage", storage).code == 0
    for file in folder.glob("*.py"):
        file.unlink()
    again = tunepipe("resume", "named", "--trials", "2", "--workers", "0", "--storage", storage)
    if way == "stdin":
        assert again.code == 2
        assert (
            "is defined in a notebook, a prompt or another function, and cannot be loaded from a file" in again.errors
        )
    else:
        assert again.code == 0, again.errors
