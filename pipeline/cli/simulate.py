"""`tunepipe simulate`: what a study would come to, before anything is trained."""

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from pipeline.cli.location import study_store
from pipeline.cli.options import (
    STORAGE,
    Epochs,
    Fields,
    JobName,
    Json,
    Seconds,
    Seed,
    Storage,
    TotalEpochs,
    Trials,
    changes_of,
    job_of,
    limits,
    note,
)
from pipeline.cli.tables import save, stdout_console
from pipeline.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Callable

    from pipeline.simulation.curves import Curves
    from pipeline.simulation.forecast import Forecast
    from pipeline.study import TuneJob

__all__ = ["simulate"]

_SYNTHETIC = "synthetic"
_PICTURES = ("png", "svg", "pdf")
_MOST = 1e9
_DIGITS = 9
"""No cluster has more workers than so many digits write."""


def simulate(
    job: JobName,
    scheduler: Annotated[
        str | None, typer.Option(help="One or several, as in asha,median,fifo; the job's own unless given.")
    ] = None,
    search: Annotated[
        str | None, typer.Option(help="One or several, as in random,tpe; the job's own unless given.")
    ] = None,
    workers: Annotated[str, typer.Option(help="Trials at once: one number or several.")] = "1,2,4,8",
    curves: Annotated[
        str,
        typer.Option(
            metavar="synthetic|STUDY", help="What trials learn: by a formula, or as those of a study that was recorded."
        ),
    ] = _SYNTHETIC,
    seconds_per_epoch: Annotated[
        float | None,
        typer.Option(
            min=0.0,
            max=_MOST,
            help="How long an epoch takes; 1 second, or as recorded, unless given.",
            show_default=False,
        ),
    ] = None,
    seconds_per_start: Annotated[
        float | None,
        typer.Option(
            min=0.0,
            max=_MOST,
            help="What a worker needs each time it begins or goes on with a trial; 0, or as recorded, unless given.",
            show_default=False,
        ),
    ] = None,
    price: Annotated[
        float | None, typer.Option(min=0.0, max=_MOST, help="What a worker costs for an hour.", show_default=False)
    ] = None,
    repeats: Annotated[int, typer.Option(min=1, max=1000, help="How often, each time with the next seed.")] = 1,
    trials: Trials = None,
    epochs: Epochs = None,
    total_epochs: TotalEpochs = None,
    seconds: Seconds = None,
    seed: Seed = None,
    set_: Fields = None,
    storage: Storage = STORAGE,
    plot: Annotated[
        Path | None,
        typer.Option(help="Also draw the best value against time (.png, .svg, .pdf).", show_default=False),
    ] = None,
    as_json: Json = False,
) -> None:
    """Predict time, epochs, cost and best value of a study by playing it over learning curves; nothing is trained."""
    from pipeline.simulation.view import forecast_object, forecast_view

    form = "" if plot is None else plot.suffix.lower().removeprefix(".")
    if plot is not None and form not in _PICTURES:
        raise UsageError(f"--plot must end in .png, .svg or .pdf; found {plot}.")
    counts = _numbers(workers)
    given = {**limits(trials, epochs, total_epochs, seconds, None), "seed": seed}
    tuned = job_of(job, changes_of(given, set_), storage, resume=False)
    if tuned.start_from is not None:
        from pipeline.execution.starting import with_starts

        tuned = with_starts(tuned, storage, note)
    jobs = [
        tuned.replaced(changes_of({"scheduler": one, "searcher": other}, None))
        for one in _words("--scheduler", scheduler)
        for other in _words("--search", search)
    ]
    source = _source(curves, storage, seconds_per_epoch, seconds_per_start)
    about = source(jobs[0]).described()
    _tell_fewer(tuned)
    forecasts = _forecasts(jobs, counts, source, repeats)
    if as_json:
        typer.echo(json.dumps(forecast_object(forecasts, about, price=price), allow_nan=False))
    else:
        stdout_console().print(forecast_view(forecasts, about, price=price))
    if plot is not None:
        from pipeline.simulation.picture import forecast_picture

        save(plot, forecast_picture(forecasts, form), err=as_json)


def _source(
    curves: str, storage: str, seconds_per_epoch: float | None, seconds_per_start: float | None
) -> "Callable[[TuneJob], Curves]":
    """What makes a job's curves."""
    if curves == _SYNTHETIC:
        from pipeline.simulation.synthetic import Synthetic

        epoch = 1.0 if seconds_per_epoch is None else seconds_per_epoch
        start = seconds_per_start or 0.0
        return lambda job: Synthetic(job, seconds_per_epoch=epoch, seconds_per_start=start)
    from pipeline.results.load import load_results
    from pipeline.simulation.recorded import Recorded

    results = load_results(study_store(curves, storage).uri)
    return lambda job: Recorded(results, job, seconds_per_epoch=seconds_per_epoch, seconds_per_start=seconds_per_start)


def _forecasts(
    jobs: "list[TuneJob]", counts: list[int], source: "Callable[[TuneJob], Curves]", repeats: int
) -> "list[Forecast]":
    """All of them; a terminal sees how far it is."""
    from rich.console import Console
    from rich.progress import track

    from pipeline.simulation.forecast import forecast

    shown = Console(stderr=True)
    found = forecast(jobs, counts, source, repeats=repeats)
    # The bar is on stderr: stdout holds the forecasts alone.
    return list(
        track(
            found,
            "Simulating",
            total=len(jobs) * len(counts),
            console=shown,
            transient=True,
            disable=not sys.stderr.isatty(),
        )
    )


def _tell_fewer(job: "TuneJob") -> None:
    from pipeline.study.drawing import fewer

    if (told := fewer(job)) is not None:
        note(told)


def _words(option: str, text: str | None) -> list[Any]:
    """What an option names, in order; the job's own where it is not given."""
    if text is None:
        return [None]
    words = [word.strip() for word in text.split(",")]
    if not all(words) or len(set(words)) < len(words):
        raise UsageError(f"{option} takes names, each once, with a comma between two; found {text!r:.100}.")
    return words


def _numbers(text: str) -> list[int]:
    words = _words("--workers", text)
    if not all(word.isascii() and word.isdigit() and len(word) <= _DIGITS and int(word) for word in words):
        raise UsageError(f"--workers takes whole numbers from 1, as in 1,2,8; found {text!r:.100}.")
    return [int(word) for word in words]
