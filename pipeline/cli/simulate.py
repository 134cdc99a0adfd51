"""`tunepipe simulate`: predicts a study without training."""

import sys
from typing import TYPE_CHECKING, Annotated, Any

import typer

from pipeline.cli.console import command_console, note, print_object
from pipeline.cli.job_options import changes_of, job_of, limits
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
    study_store,
)
from pipeline.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from pipeline.simulation.curves import CurveSource
    from pipeline.simulation.forecast import Forecast
    from pipeline.study import TuneJob
    from pipeline.study.earlier_trials import EarlierTrials


_SYNTHETIC = "synthetic"
_MAX_AMOUNT = 1e9
_DIGITS = 9
"""The maximum number of digits of a number of workers."""


def _amount(text: str) -> Any:
    """An option for a number from zero, with this help."""
    return typer.Option(min=0.0, max=_MAX_AMOUNT, help=text, show_default=False)


def simulate(
    job: JobName,
    scheduler: Annotated[
        str | None, typer.Option(help="One or more, for example asha,median,fifo. Default: the job's own.")
    ] = None,
    search: Annotated[
        str | None, typer.Option(help="One or more, for example random,tpe. Default: the job's own.")
    ] = None,
    workers: Annotated[str, typer.Option(help="Number of parallel trials: one or more numbers.")] = "1,2,4,8",
    curves: Annotated[
        str,
        typer.Option(metavar="synthetic|STUDY", help="Learning curves: synthetic ones, or those of a recorded study."),
    ] = _SYNTHETIC,
    seconds_per_epoch: Annotated[float | None, _amount("Seconds of an epoch. Default: 1, or as recorded.")] = None,
    seconds_per_start: Annotated[
        float | None, _amount("Seconds to start or continue a trial. Default: 0, or as recorded.")
    ] = None,
    price: Annotated[float | None, _amount("Cost of a worker per hour.")] = None,
    repeats: Annotated[int, typer.Option(min=1, max=1000, help="Number of simulations, each with the next seed.")] = 1,
    trials: Trials = None,
    epochs: Epochs = None,
    total_epochs: TotalEpochs = None,
    seconds: Seconds = None,
    seed: Seed = None,
    set_: Fields = None,
    storage: Storage = STORAGE,
    as_json: Json = False,
) -> None:
    """Predict time, epochs, cost and best value of a study from learning curves, without training."""
    from pipeline.simulation.forecast import forecast_object, forecast_view

    counts = _numbers(workers)
    given = {**limits(trials, epochs, total_epochs, seconds, None), "seed": seed}
    tuned = job_of(job, changes_of(given, set_), storage, resume=False)
    if tuned.start_from is not None:
        from pipeline.execution.driver.earlier_studies import with_starts

        tuned = with_starts(tuned, storage, note)
    jobs = [
        tuned.replaced(changes_of({"scheduler": named, "searcher": other}, None))
        for named in _words("--scheduler", scheduler)
        for other in _words("--search", search)
    ]
    from pipeline.execution.driver.earlier_studies import learned_from, learning_in_words

    if earlier := learned_from(tuned, storage):
        note(learning_in_words(tuned, earlier))
    source = _source(curves, storage, seconds_per_epoch, seconds_per_start)
    about = source(jobs[0]).description()
    _note_fewer_trials(tuned)
    forecasts = _forecasts(jobs, counts, source, repeats, earlier)
    if as_json:
        print_object(forecast_object(forecasts, about, price=price))
    else:
        command_console().print(forecast_view(forecasts, about, price=price))


def _source(
    curves: str, storage: str, seconds_per_epoch: float | None, seconds_per_start: float | None
) -> "Callable[[TuneJob], CurveSource]":
    """The source of a job's learning curves."""
    if curves == _SYNTHETIC:
        from pipeline.simulation.curves import SyntheticCurves

        epoch = 1.0 if seconds_per_epoch is None else seconds_per_epoch
        start = seconds_per_start or 0.0
        return lambda job: SyntheticCurves(job, seconds_per_epoch=epoch, seconds_per_start=start)
    from pipeline.results.tables.load import load_results
    from pipeline.simulation.recorded_curves import RecordedCurves

    results = load_results(study_store(curves, storage).uri)
    return lambda job: RecordedCurves(
        results, job, seconds_per_epoch=seconds_per_epoch, seconds_per_start=seconds_per_start
    )


def _forecasts(
    jobs: "list[TuneJob]",
    counts: list[int],
    source: "Callable[[TuneJob], CurveSource]",
    repeats: int,
    earlier: "Sequence[EarlierTrials]",
) -> "list[Forecast]":
    """All simulations, with progress on a terminal."""
    from rich.progress import track

    from pipeline.simulation.forecast import forecast

    shown = command_console(err=True)
    forecasts = forecast(jobs, counts, source, repeats=repeats, earlier=earlier)
    # The bar is on stderr: stdout holds the forecasts alone.
    return list(
        track(
            forecasts,
            "Simulating",
            total=len(jobs) * len(counts),
            console=shown,
            transient=True,
            disable=not sys.stderr.isatty(),
        )
    )


def _note_fewer_trials(job: "TuneJob") -> None:
    from pipeline.study.trial_configs import fewer_trials

    if (less := fewer_trials(job)) is not None:
        note(less)


def _words(option: str, text: str | None) -> list[Any]:
    """The values of an option, in order; the job's own by default."""
    if text is None:
        return [None]
    words = [word.strip() for word in text.split(",")]
    if not all(words) or len(set(words)) < len(words):
        raise UsageError(f"{option} takes names separated by commas, each once; found {text!r:.100}.")
    return words


def _numbers(text: str) -> list[int]:
    words = _words("--workers", text)
    if not all(word.isascii() and word.isdigit() and len(word) <= _DIGITS and int(word) for word in words):
        raise UsageError(f"--workers takes whole numbers of at least 1, for example 1,2,8; found {text!r:.100}.")
    return [int(word) for word in words]
