"""A study of a job file that is resumed, with the same file or a changed one."""

from pathlib import Path
from typing import Any

from pipeline import run
from pipeline.storage import Store
from pipeline.study import TuneJob
from tune_jobs import find

JOB = """
from pipeline import Budget, Objective, TuneJob, Uniform

def climb(config):
    for step in range(4):
        yield {"score": config["x"] + step}

JOB = TuneJob(
    name="s", function=climb, space={"x": Uniform(0, 1)}, objectives=[Objective("score", "max")],
    scheduler="fifo", budget=Budget(trials=2, epochs=2), resources={"workers": 0},
)
"""


def job(folder: Path, text: str = JOB, file: str = "climbing.py") -> TuneJob:
    """The job of a file with that text."""
    (folder / file).write_text(text)
    return find(str(folder / file))


def finished(folder: Path) -> Store:
    """A finished study of the job, in a storage below the folder."""
    run(job(folder), storage=folder / "studies")
    return Store(folder / "studies").folder("s")


def resumed(study: Store, changed: TuneJob, **options: Any) -> Any:
    """The study resumed with another job."""
    return run(changed.replaced({"budget.epochs": 4}), storage=Path(study.uri).parent, resume=True, **options)
