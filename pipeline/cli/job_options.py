"""The options of `run`, `check` and `submit` that change a job."""

import functools
import inspect
from collections.abc import Callable
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Annotated, Any

import typer

from pipeline.cli.completion import scheduler_names, searcher_names
from pipeline.cli.job_changes import changes_of, job_of, limits
from pipeline.cli.options import Epochs, Fields, Seconds, Seed, TotalEpochs, Trials, Workers
from pipeline.errors import UsageError

if TYPE_CHECKING:
    from pipeline.study import TuneJob


Gpus = Annotated[
    float | None,
    typer.Option(min=0, help="GPUs per trial; with 0.5 two trials share one. Default: none.", show_default=False),
]
Scheduler = Annotated[
    str | None,
    typer.Option(
        help="Stops trials early: asha, promoting-asha, pasha, moasha, promoting-moasha, halving, hyperband, median, "
        "pbt, pb2, fifo (stops none), or the path of a Ray Tune class.",
        show_default=False,
        autocompletion=scheduler_names,
    ),
]
Search = Annotated[
    str | None,
    typer.Option(
        help="Draws configs: random, grid, sobol, tpe, cma, gp, curves, motpe, nsga2, or the path of a Ray Tune class.",
        show_default=False,
        autocompletion=searcher_names,
    ),
]
StudyName = Annotated[str | None, typer.Option("--name", help="Name of the study. Default: the job's name.")]
StartFrom = Annotated[
    str | None,
    typer.Option(
        "--start-from",
        metavar="STUDY",
        help="Try the best configs of another study first: its name in --storage, or its folder.",
        show_default=False,
    ),
]
Top = Annotated[
    int | None, typer.Option(min=1, help="With --start-from: number of configs. Default: 3.", show_default=False)
]
LearnFrom = Annotated[
    list[str] | None,
    typer.Option(
        "--learn-from",
        metavar="STUDY",
        help="Also learn from the trials of an earlier study: its name in --storage, or its folder. Repeat the option "
        "for several studies. Only for the searcher curves.",
        show_default=False,
    ),
]
Library = Annotated[
    str | None,
    typer.Option(
        "--from",
        metavar="LIBRARY",
        help="Tune a program of this library, given as JOB in the form FILE.py:NAME: keras-tuner for a build(hp) or "
        "HyperModel, ray-tune for a function that reports, optuna for an objective(trial).",
        show_default=False,
    ),
]


@dataclass(frozen=True, slots=True)
class JobOptions:
    """Changes of a job on the command line: each field is an option."""

    trials: Trials = None
    epochs: Epochs = None
    total_epochs: TotalEpochs = None
    seconds: Seconds = None
    scheduler: Scheduler = None
    search: Search = None
    workers: Workers = None
    gpus: Gpus = None
    seed: Seed = None
    name: StudyName = None
    start_from: StartFrom = None
    top: Top = None
    learn_from: LearnFrom = None
    from_: Library = None
    set_: Fields = None

    def job(self, name: str, storage: str, *, resume: bool) -> "TuneJob":
        """The job of a command line, with the changes of its options."""
        return job_of(name, self.changes(storage), storage, library=self.from_, resume=resume)

    def changes(self, storage: str) -> dict[str, Any]:
        """The given options as changes of a job."""
        given = {
            **limits(self.trials, self.epochs, self.total_epochs, self.seconds, self.workers),
            "resources.gpus": self.gpus,
            "scheduler": self.scheduler,
            "searcher": self.search,
            "seed": self.seed,
            "name": self.name,
            "start_from": self._start_from(storage),
            "learn_from": self._learn_from(storage),
        }
        return changes_of(given, self.set_)

    def arguments(self, storage: str) -> list[str]:
        """The given options as arguments of a command that runs in another folder."""
        start_from = self._start_from(storage)
        options: dict[str, Any] = {
            "--trials": self.trials,
            "--epochs": self.epochs,
            "--total-epochs": self.total_epochs,
            "--seconds": self.seconds,
            "--scheduler": self.scheduler,
            "--search": self.search,
            "--workers": self.workers,
            "--gpus": self.gpus,
            "--seed": self.seed,
            "--name": self.name,
            "--start-from": start_from and start_from["study"],
            "--top": self.top,
            "--from": self.from_,
        }
        given = [(option, str(value)) for option, value in options.items() if value is not None]
        given += [("--learn-from", study) for study in self._learn_from(storage) or []]
        given += [("--set", assignment) for assignment in self.set_ or []]
        return [argument for option in given for argument in option]

    def _start_from(self, storage: str) -> dict[str, Any] | None:
        if self.start_from is None:
            if self.top is not None:
                raise UsageError("--top requires --start-from STUDY.")
            return None
        study = _study(self.start_from, storage)
        return {"study": study, **({} if self.top is None else {"top": self.top})}

    def _learn_from(self, storage: str) -> list[str] | None:
        return None if self.learn_from is None else [_study(name, storage) for name in self.learn_from]


def _study(study: str, storage: str) -> str:
    """A study as a job names it: by its name if it is in the storage, else by its folder."""
    from pipeline.cli.study_argument import located
    from pipeline.storage import Store

    studies, name = located(study, storage)
    return name if studies == storage else Store(studies).folder(name).uri


def with_job_options(command: Callable[..., None]) -> Callable[..., None]:
    """Replace a command's parameter `options`, a JobOptions, by one option of the command line for each field."""
    job_options = [
        inspect.Parameter(field.name, inspect.Parameter.KEYWORD_ONLY, default=field.default, annotation=field.type)
        for field in fields(JobOptions)
    ]
    signature = inspect.signature(command, eval_str=True)
    parameters: list[inspect.Parameter] = []
    for parameter in signature.parameters.values():
        own = parameter.replace(kind=inspect.Parameter.KEYWORD_ONLY)
        parameters += job_options if parameter.name == "options" else [own]

    @functools.wraps(command)
    def with_options(**given: Any) -> None:
        options = JobOptions(**{option.name: given.pop(option.name) for option in job_options})
        command(options=options, **given)

    with_options.__signature__ = signature.replace(parameters=parameters)  # type: ignore[attr-defined]
    with_options.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
    return with_options
