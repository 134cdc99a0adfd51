"""Options that several commands share, and how their text becomes values."""

import functools
import inspect
import json
from collections.abc import Callable
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Annotated, Any

import typer

from pipeline.cli.completion import job_names
from pipeline.cli.console import say
from pipeline.errors import Fault, InvalidJob, UsageError
from pipeline.study.studies import DEFAULT_STORAGE, STORAGE_VARIABLE

if TYPE_CHECKING:
    from pipeline.study import TuneJob

__all__ = [
    "STORAGE",
    "AcceptChanges",
    "Address",
    "Epochs",
    "Fields",
    "Gpus",
    "JobName",
    "JobOptions",
    "Json",
    "Logs",
    "Resume",
    "Seconds",
    "Seed",
    "Storage",
    "TakeOver",
    "TotalEpochs",
    "Trials",
    "Workers",
    "assignments",
    "changes_of",
    "job_of",
    "limits",
    "note",
    "with_job_options",
]

STORAGE = DEFAULT_STORAGE
"""The default storage."""

Storage = Annotated[
    str,
    typer.Option(
        help="Storage of studies: a folder or a URI (s3://…, gs://…, abfs://…).",
        envvar=STORAGE_VARIABLE,
        show_envvar=True,
    ),
]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON object; everything else goes to stderr.")]
JobName = Annotated[
    str,
    typer.Argument(
        metavar="JOB",
        help="Name of a job (`tunepipe list`), or a Python file that defines JOB.",
        show_default=False,
        autocompletion=job_names,
    ),
]
Trials = Annotated[int | None, typer.Option(help="Number of trials.", show_default=False)]
Epochs = Annotated[int | None, typer.Option(help="Maximum epochs of a trial.", show_default=False)]
TotalEpochs = Annotated[
    int | None, typer.Option(help="Maximum epochs of the study, over all trials.", show_default=False)
]
Seconds = Annotated[float | None, typer.Option(help="Maximum seconds of the study.", show_default=False)]
Workers = Annotated[
    int | None,
    typer.Option(help="Number of parallel trials; 0 trains in this process, for debugging.", show_default=False),
]
Gpus = Annotated[
    float | None,
    typer.Option(min=0, help="GPUs per trial; with 0.5 two trials share one. Default: none.", show_default=False),
]
Address = Annotated[
    str | None, typer.Option(help="Address of a running Ray cluster. Default: this machine.", show_default=False)
]
Fields = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="FIELD=VALUE", help="Set any field of the job, for example space.lr=0.1."),
]
Scheduler = Annotated[
    str | None,
    typer.Option(
        help="Stops trials early: asha, promoting-asha, pasha, moasha, promoting-moasha, halving, hyperband, median, "
        "pbt, pb2, fifo (stops none), or the path of a Ray Tune class.",
        show_default=False,
    ),
]
Search = Annotated[
    str | None,
    typer.Option(
        help="Draws configs: random, grid, sobol, tpe, cma, gp, curves, motpe, nsga2, or the path of a Ray Tune class.",
        show_default=False,
    ),
]
Seed = Annotated[int | None, typer.Option(help="Seed of configs, initial weights and shuffling.", show_default=False)]
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
        help="Learn from the trials of an earlier study, as far as they say something of this one: its name in "
        "--storage, or its folder. More than one: repeat the option.",
        show_default=False,
    ),
]
Library = Annotated[
    str | None,
    typer.Option(
        "--from",
        metavar="LIBRARY",
        help="The library for which JOB, a FILE.py:NAME, was written: keras-tuner for a build(hp) or HyperModel, "
        "ray-tune for a function that reports, optuna for an objective(trial).",
        show_default=False,
    ),
]
Resume = Annotated[
    bool,
    typer.Option("--resume", help="Resume the study if it exists; its budget and resources are kept."),
]
AcceptChanges = Annotated[
    bool, typer.Option("--accept-changes", help="Resume even if the job's code, data or domains have changed.")
]
TakeOver = Annotated[
    bool,
    typer.Option(
        "--take-over",
        help="Resume even if the driver of the last session may still run, or if its session file is damaged. A driver "
        "that still runs ends and writes nothing more.",
    ),
]

Logs = Annotated[
    list[str] | None,
    typer.Option(
        "--log",
        metavar="mlflow=URI|tensorboard=FOLDER",
        help="Log each epoch to MLflow or TensorBoard while the study runs; may be given more than once.",
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

    def changes(self, storage: str) -> dict[str, Any]:
        """The given options as changes of a job.

        Args:
            storage: Storage of the studies; --start-from may name one of them.

        Raises:
            UsageError: --top stands alone.
            InvalidJob: --set has no `=`.
        """
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

    def words(self, storage: str) -> list[str]:
        """The given options as arguments for a command in another folder.

        Args:
            storage: The storage of the studies.
        """
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
        words = [word for option, value in options.items() if value is not None for word in (option, str(value))]
        words += [word for study in self._learn_from(storage) or [] for word in ("--learn-from", study)]
        return words + [word for pair in self.set_ or [] for word in ("--set", pair)]

    def _start_from(self, storage: str) -> dict[str, Any] | None:
        if self.start_from is None:
            if self.top is not None:
                raise UsageError("--top requires --start-from STUDY.")
            return None
        study = _study(self.start_from, storage)
        return {"study": study, **({} if self.top is None else {"top": self.top})}

    def _learn_from(self, storage: str) -> list[str] | None:
        return None if self.learn_from is None else [_study(name, storage) for name in self.learn_from]


def _study(named: str, storage: str) -> str:
    """A study as a job names it: by its name if it is in the storage, else by its folder."""
    from pipeline.cli.location import located
    from pipeline.storage import Store

    where, name = located(named, storage)
    return name if where == storage else Store(where).folder(name).uri


def with_job_options(command: Callable[..., None]) -> Callable[..., None]:
    """Replace a command's parameter `options`, a JobOptions, by one option of the command line for each field.

    Args:
        command: The command.

    Returns:
        The command with the new signature.
    """
    ours = [
        inspect.Parameter(field.name, inspect.Parameter.KEYWORD_ONLY, default=field.default, annotation=field.type)
        for field in fields(JobOptions)
    ]
    signature = inspect.signature(command, eval_str=True)
    parameters: list[inspect.Parameter] = []
    for parameter in signature.parameters.values():
        named = parameter.replace(kind=inspect.Parameter.KEYWORD_ONLY)
        parameters += ours if parameter.name == "options" else [named]

    @functools.wraps(command)
    def called(**given: Any) -> None:
        options = JobOptions(**{parameter.name: given.pop(parameter.name) for parameter in ours})
        command(options=options, **given)

    called.__signature__ = signature.replace(parameters=parameters)  # type: ignore[attr-defined]
    called.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
    return called


def assignments(pairs: list[str], option: str = "--set") -> dict[str, Any]:
    """`--set` arguments as fields of a job, or other pairs of names and values.

    Args:
        pairs: `field=value`; the value is JSON if it can be parsed as JSON, else text.
        option: What the pairs are, for messages.

    Raises:
        InvalidJob: An argument has no `=`.
    """
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
    """The options that may change between sessions of a study, as fields of a job.

    Args:
        trials: The maximum number of trials; None if it was not given, as for all others.
        epochs: The maximum number of epochs of a trial.
        total_epochs: The maximum number of epochs of the study.
        seconds: The maximum duration of the study.
        workers: Trials at once; 0 trains in this process.
    """
    return {
        "budget.trials": trials,
        "budget.epochs": epochs,
        "budget.total_epochs": total_epochs,
        "budget.seconds": seconds,
        "resources.workers": workers,
    }


def changes_of(given: dict[str, Any], fields: list[str] | None) -> dict[str, Any]:
    """The given options and `--set` as changes of a job.

    Args:
        given: Field → value; None if the option was not given.
        fields: The arguments of `--set`.
    """
    return {**{field: value for field, value in given.items() if value is not None}, **assignments(fields or [])}


def job_of(name: str, changes: dict[str, Any], storage: str, *, resume: bool, library: str | None = None) -> "TuneJob":
    """The job of a command line.

    Args:
        name: A job's name, or the path of a Python file; with a library, also `file.py:name`.
        changes: Fields that the command line sets.
        storage: The storage of the studies.
        resume: Whether to keep the budget and resources of the existing study, if there is one.
        library: The library for which the file was written; None for a file that exports JOB.
    """
    if library is None:
        import tune_jobs

        found = tune_jobs.find(name)
    else:
        from pipeline.adapters import from_file

        given = {field: value for field, value in changes.items() if "." not in field}
        prefix = "resources."
        resources = {field.removeprefix(prefix): value for field, value in changes.items() if field.startswith(prefix)}
        found = from_file(name, library, {**given, "resources": resources} if resources else given, note)
    if resume:
        from pipeline.execution.driver.resume_checks import with_study_settings
        from pipeline.storage import Store

        study = found.replaced({"name": changes.get("name", found.name)})
        found = with_study_settings(found, Store(storage).folder(study.name), note, changed=changes)
    return found.replaced(changes)


def note(message: str) -> None:
    """Print a message to standard error, beside the command's own output.

    Args:
        message: One line or several.
    """
    say(message, err=True)
