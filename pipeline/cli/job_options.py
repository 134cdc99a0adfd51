"""The options that change a job, each declared once: its flag, the field of the job, its help."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

from pipeline.cli.options import grouped, option
from pipeline.errors import Fault, InvalidJob

if TYPE_CHECKING:
    from pipeline.study import TuneJob


def _option(kind: Any, field: str, text: str, metavar: str = "N", *flags: str, **settings: Any) -> tuple[Any, str]:
    """An option's annotation, and the field of the job that it sets."""
    return Annotated[kind | None, option(text, metavar, *flags, **settings)], field


JOB_OPTIONS: dict[str, tuple[Any, str]] = {
    "trials": _option(int, "budget.trials", "Number of trials."),
    "epochs": _option(int, "budget.epochs", "Maximum epochs of a trial."),
    "workers": _option(int, "resources.workers", "Number of parallel trials; 0 trains in this process."),
    "gpus_per_trial": _option(float, "resources.gpus", "GPUs per trial; with 0.5, two share one.", min=0),
    "scheduler": _option(
        str,
        "scheduler",
        "Stops trials early: asha, promoting-asha, moasha, promoting-moasha, hyperband, median, pbt, "
        "fifo (stops none), or the path of a Ray Tune class.",
        "NAME",
    ),
    "search": _option(
        str,
        "searcher",
        "Draws configs: random, grid, sobol, tpe, gp, curves, motpe, or the path of a Ray Tune class.",
        "NAME",
    ),
    "name": _option(str, "name", "Name of the study. Default: the job's name.", "NAME"),
    "set_": _option(list[str], "", "Set any field of the job, for example space.lr=0.1.", "FIELD=VALUE", "--set"),
    "seed": _option(int, "seed", "Seed of configs, initial weights and shuffling."),
    "total_epochs": _option(int, "budget.total_epochs", "Maximum epochs of all trials together."),
    "seconds": _option(float, "budget.seconds", "Maximum seconds of the study."),
    "start_from": _option(str, "start_from.study", "Try the best configs of another study first.", "STUDY"),
    "from_": _option(str, "", "JOB is a program of keras-tuner, ray-tune or optuna.", "LIBRARY", "--from"),
}


def assignments(pairs: list[str]) -> dict[str, Any]:
    """`--set` arguments as fields of a job."""
    changes: dict[str, Any] = {}
    for pair in pairs:
        field, equals, text = pair.partition("=")
        if not equals or not field:
            raise InvalidJob("the command line", [Fault("--set", pair, "must be field=value, such as space.lr=0.1")])
        try:
            changes[field.strip()] = json.loads(text)
        except (ValueError, RecursionError):
            changes[field.strip()] = text
    return changes


@dataclass(frozen=True, slots=True)
class JobOptions:
    """The options of a command line that change its job, by their names; those that were not given are missing."""

    given: Mapping[str, Any]

    @property
    def changes(self) -> dict[str, Any]:
        """The options as changes of a job; `--set` has priority."""
        changes = {field: value for name, value in self.given.items() if (field := JOB_OPTIONS[name][1])}
        if "start_from.study" in changes:
            changes["start_from"] = {"study": changes.pop("start_from.study")}
        return {**changes, **assignments(self.given.get("set_", []))}

    @property
    def arguments(self) -> list[str]:
        """The options as arguments of a command that runs in another folder."""
        words = []
        for name, value in self.given.items():
            flag = f"--{name.strip('_').replace('_', '-')}"
            words += [word for each in (value if isinstance(value, list) else [value]) for word in (flag, str(each))]
        return words

    def job(self, name: str, storage: str, *, resume: bool) -> "TuneJob":
        """The job that a command line names, with the changes of its options."""
        changes, library = self.changes, self.given.get("from_")
        if library is None:
            import tune_jobs

            job = tune_jobs.find(name)
        else:
            from pipeline.adapters import from_program

            fields, prefix = changes.items(), "resources."
            given = {field: value for field, value in fields if "." not in field}
            resources = {field.removeprefix(prefix): value for field, value in fields if field.startswith(prefix)}
            given |= {"resources": resources} if resources else {}
            # Of a program's first configs, a job takes as many as it has trials.
            if "budget" not in given and "budget.trials" in changes:
                given["budget"] = {"trials": changes["budget.trials"]}
            job = from_program(name, library, **given)
        if resume:
            from pipeline.execution.start import with_study_settings
            from pipeline.storage import Store

            job = job.replaced({"name": changes.get("name", job.name)})
            job = with_study_settings(job, Store(storage).folder(job.name), changed=changes)
        return job.replaced(changes)


def with_job_options(*names: str, **other: Any) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Replace a command's parameter `options`, a JobOptions, by the options of these names, or all.

    `other` has the annotations of options that this command describes in another way.
    """
    return grouped("options", {name: JOB_OPTIONS[name][0] for name in names or JOB_OPTIONS} | other, JobOptions)
