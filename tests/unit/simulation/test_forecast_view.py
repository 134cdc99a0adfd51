"""Forecasts as a person and as a program read them."""

import json

from rich.console import Console

from pipeline.simulation.forecast import Forecast, SeedResult
from pipeline.simulation.forecast_view import forecast_object, forecast_view
from pipeline.study import Objective
from tests.unit.simulation.simulation_inputs import job


def _once(seed: int, best: float | None, **more) -> SeedResult:
    fields = {"seconds": 7200.0, "worker_seconds": 14400.0, "utilisation": 0.5, "epochs": 1000, "extended": 0}
    fields |= {"completed": 3, "stopped": 9, "failed": 0, "over": None}
    best_curve = () if best is None else ((60.0, best),)
    return SeedResult(seed=seed, best=best, best_curve=best_curve, **{**fields, **more})


def _shown(*times: SeedResult, price: float | None = None) -> list[str]:
    console = Console(width=200)
    with console.capture() as captured:
        console.print(forecast_view([Forecast(job(), 2, times)], {"note": "As written."}, price=price, own=job()))
    return captured.get().splitlines()


def test_a_line_has_every_number_with_its_unit():
    """A forecast's line has time, share in use, paid time and price, epochs, and the best value with its time."""
    head, line, *notes = _shown(_once(0, 0.9), price=2.0)
    assert head.split() == (
        [
            "scheduler",
            "search",
            "workers",
            "time",
            "in",
            "use",
            "worker",
            "time",
            "cost",
            "epochs",
            "completed",
            "best",
            "score",
            "found",
            "after",
        ]
    )
    assert line.split() == [
        "asha",
        "random",
        "2",
        "2",
        "h",
        "0",
        "min",
        "50%",
        "4",
        "h",
        "0",
        "min",
        "8.00",
        "1,000",
        "3",
        "0.9",
        "1",
        "min",
        "0",
        "s",
    ]
    assert "`run` uses asha with random: the job's own scheduler" in notes[1]
    assert notes[2] == "Recommended for a job that names neither: promoting-asha with curves."
    assert notes[3] == "As written."


def test_several_seeds_are_summarised_by_their_median():
    """With several seeds the table has median, minimum and maximum of the best value, and a note has their number."""
    _, line, *notes = _shown(_once(0, 0.9), _once(1, 0.7), _once(2, 0.8, seconds=1.0))
    assert "0.8 (0.7 to 0.9)" in line
    assert "2 h 0 min" in line
    assert any("the median of 3 seeds" in note for note in notes)


def test_missing_values_are_shown_as_a_dash():
    """A study whose trials all failed has a time and a dash for its best value."""
    _, line, *_ = _shown(_once(0, None, completed=0, failed=12))
    assert line.split()[-2:] == ["–", "–"]


def test_ends_and_extended_curves_are_reported():
    """The notes have each reason for an end once, and the share of epochs that were not recorded."""
    notes = _shown(*(_once(seed, 0.9, over="The study's budget is spent.", extended=250) for seed in range(2)))[2:]
    assert notes.count("The study's budget is spent.") == 1
    assert "25% of the epochs were not recorded; their values are extended." in notes


def test_the_object_goes_to_json():
    """The object is strict JSON: cost and best are null without a price or a value."""
    reported = forecast_object([Forecast(job(), 2, [_once(0, None)])], {"note": "As written."}, price=None, own=job())
    again = json.loads(json.dumps(reported, allow_nan=False))
    assert again["forecasts"][0]["cost"] is None
    assert again["forecasts"][0]["best"] is None
    assert again["forecasts"][0]["seconds"] == {"median": 7200.0, "low": 7200.0, "high": 7200.0}


def test_the_best_pair_and_the_pair_of_a_run_are_named():
    """The notes and the object have the best of several pairs, its interval, and the pair that `run` takes."""
    pairs = [
        Forecast(job(scheduler=kind), 2, [_once(seed, best + 0.1 * seed) for seed in range(3)])
        for kind, best in (("asha", 0.5), ("fifo", 0.3))
    ]
    console = Console(width=400)
    with console.capture() as captured:
        console.print(forecast_view(pairs, {"note": "As written."}, price=None, own=job()))
    assert (
        "Best with 2 workers: asha with random, with a mean score of 0.6 at the end; next is fifo with random, worse "
        "by 0.2 (90% interval 0.2 to 0.2)."
    ) in captured.get()
    reported = forecast_object(pairs, {"note": "As written."}, price=None, own=job())
    assert reported["run_takes"] == {"scheduler": "asha", "searcher": "random", "recommended": ["searcher"]}
    assert reported["recommended_pair"] == {"scheduler": "promoting-asha", "searcher": "curves"}
    assert "Recommended for a job that names neither: promoting-asha with curves." in captured.get()
    (best,) = reported["best_pairs"]
    assert (best["workers"], best["scheduler"], best["separated"]) == (2, "asha", True)
    assert best["next"] == {"scheduler": "fifo", "searcher": "random"}


def test_a_missing_hypervolume_has_a_reason():
    """Several objectives without values in all of them have a sentence instead of a hypervolume."""
    several = job(objectives=[Objective("score", "max"), Objective("cost", "min")])
    console = Console(width=400)
    with console.capture() as captured:
        console.print(forecast_view([Forecast(several, 2, [_once(0, 0.9)])], {"note": "A"}, price=None, own=several))
    assert "so there is no hypervolume" in captured.get()


def test_differences_of_a_hypervolume_are_in_percentage_points():
    """Pairs with a hypervolume differ by percentage points, and an interval with 0 does not separate them."""
    several = [Objective("score", "max"), Objective("cost", "min")]
    pairs = [
        Forecast(
            job(scheduler=kind, objectives=several), 2, [_once(0, 0.9, front=((-0.9, 1.0),)), _once(1, 0.9, front=last)]
        )
        for kind, last in (("asha", ((-0.9, 1.0),)), ("fifo", ((-0.8, 2.0),)))
    ]
    console = Console(width=400)
    with console.capture() as captured:
        console.print(forecast_view(pairs, {"note": "A"}, price=None, own=pairs[0].job))
    assert "worse by 50.0 percentage points" in captured.get()
    assert "so the difference may be chance: use more --repeats)" in captured.get()


def test_a_missing_best_value_has_a_reason():
    """If an objective has a bound, a sentence says why a study without a value within it has none."""
    bounded = job(objectives=[Objective("score", "max", at_most=0.5)])
    for best, told in ((0.4, False), (None, True)):
        console = Console(width=400)
        with console.capture() as captured:
            forecasts = [Forecast(bounded, 2, [_once(0, 0.4), _once(1, best)])]
            console.print(forecast_view(forecasts, {"note": "A"}, price=None, own=bounded))
        assert ("no trial is within the bounds" in captured.get()) == told
