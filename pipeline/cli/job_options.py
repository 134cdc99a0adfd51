"""The job of a command line: what its options change of it."""

import functools
import inspect
import json
from collections.abc import Callable
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Annotated, Any

import typer

from pipeline.cli.console import note
from pipeline.cli.options import (
    Epochs,
    Fields,
    Seconds,
    Seed,
    TotalEpochs,
    Trials,
    Workers,
    scheduler_names,
    searcher_names,
)
from pipeline.errors import Fault, InvalidJob, UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pipeline.space import Config
    from pipeline.storage import Store
    from pipeline.study import TuneJob


def assignments(pairs: list[str], option: str = "--set") -> dict[str, Any]:
    """`--set` arguments as fields of a job, or other pairs of names and values."""
    changes: dict[str, Any] = {}
    for pair in pairs:
        field, equals, text = pair.partition("=")
        if not equals or not field:
            raise InvalidJob("the command line", [Fault(option, pair, "must be field=value, for example space.lr=0.1")])
        try:
            changes[field.strip()] = json.loads(text)
        except (ValueError, RecursionError):
            changes[field.strip()] = text
    return changes


def limits(
    trials: int | None, epochs: int | None, total_epochs: int | None, seconds: float | None, workers: int | None
) -> dict[str, Any]:
    """The options that may change between the sessions of a study, as fields of a job; None if one is not given."""
    return {
        "budget.trials": trials,
        "budget.epochs": epochs,
        "budget.total_epochs": total_epochs,
        "budget.seconds": seconds,
        "resources.workers": workers,
    }


def changes_of(given: dict[str, Any], fields: list[str] | None) -> dict[str, Any]:
    """The given options and `--set` as changes of a job."""
    return {**{field: value for field, value in given.items() if value is not None}, **assignments(fields or [])}


def job_of(name: str, changes: dict[str, Any], storage: str, *, resume: bool, library: str | None = None) -> "TuneJob":
    """The job that a command line names, with the changes of its options."""
    if library is None:
        import tune_jobs

        job = tune_jobs.find(name)
    else:
        from pipeline.adapters import from_file, left_to_changes

        given = {field: value for field, value in changes.items() if "." not in field}
        prefix = "resources."
        resources = {field.removeprefix(prefix): value for field, value in changes.items() if field.startswith(prefix)}
        given |= {"resources": resources} if resources else {}
        # A program may say how each of its trials begins, so it must know how many there are.
        if "budget" not in given and "budget.trials" in changes:
            given["budget"] = {"trials": changes["budget.trials"]}
        job = from_file(name, library, given, note)
        own = left_to_changes(job, changes)
        changes = own | changes
    if resume:
        from pipeline.execution.driver.resumed_job import with_study_settings
        from pipeline.storage import Store

        study = job.replaced({"name": changes.get("name", job.name)})
        store = Store(storage).folder(study.name)
        # The file's start configs may need the number of trials of the command line, not that of the study.
        starts = changes.get("start_with", job.start_with)
        job = job.replaced({"start_with": []})
        if library is not None and "start_with" not in given:
            starts = _starts_of_study(starts, job, store, changes.get("budget.trials"))
        changes = changes | {"start_with": starts}
        job = with_study_settings(job, store, note, changed=changes)
    return job.replaced(changes)


def _starts_of_study(
    starts: "Sequence[Config]", job: "TuneJob", store: "Store", trials: int | None
) -> "Sequence[Config]":
    """How the trials of a program's study begin: as before, and further ones as the program says if
    that is possible.
    """
    from pipeline.execution.driver.resumed_job import only_appended
    from pipeline.storage.sessions import read_sessions
    from pipeline.study import layout, load_study

    if not store.exists(layout.STUDY):
        return starts
    saved = load_study(store, here=job.functions.values(), placeholders=True)
    both = min(len(starts), len(saved.start_with))
    if not both or list(starts[:both]) != list(saved.start_with[:both]):
        return starts
    fitting = starts[: saved.budget.trials if trials is None else trials]
    last = read_sessions(store, only_last=True, resume=True)
    if only_appended(fitting, saved, last[-1] if last else None):
        return fitting
    if len(starts) != len(saved.start_with):
        note(f"The study keeps its own start_with: {len(saved.start_with)} configs, not {len(starts)}.")
    return saved.start_with


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
    from pipeline.cli.options import located
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
