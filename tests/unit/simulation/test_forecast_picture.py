"""Forecasts as a picture."""

import re

import pytest

from pipeline.simulation.forecast import forecast
from pipeline.simulation.forecast_picture import forecast_picture
from pipeline.simulation.synthetic_curves import SyntheticCurves
from tests.unit.simulation.simulation_inputs import Written, job


def _synthetic(tuned):
    return SyntheticCurves(tuned, seconds_per_epoch=1.0, seconds_per_start=0.0)


def _texts(svg: bytes) -> list[str]:
    return re.findall(r"<text[^>]*>([^<]+)</text>", svg.decode())


def test_each_number_of_workers_has_a_panel_and_each_scheduler_a_line():
    """Panels have titles and one legend, and labels say only what distinguishes the lines."""
    forecasts = list(forecast([job(scheduler=kind) for kind in ("asha", "fifo")], [1, 4], _synthetic, repeats=3))
    texts = _texts(forecast_picture(forecasts, "svg"))
    assert {"1 worker", "4 workers", "best score so far"} <= set(texts)
    assert [texts.count(label) for label in ("asha", "fifo")] == [1, 1]


@pytest.mark.parametrize(
    ("schedulers", "searchers", "labels"),
    [(("asha",), ("random", "sobol"), {"random", "sobol"}), (("asha", "fifo"), ("random", "sobol"), {"asha, sobol"})],
)
def test_labels_tell_searchers_apart(schedulers, searchers, labels):
    """A label is the searcher alone if the scheduler is the same, and otherwise both."""
    jobs = [job(scheduler=one, searcher=other) for one in schedulers for other in searchers]
    assert labels <= set(_texts(forecast_picture(list(forecast(jobs, [2], _synthetic, repeats=1)), "svg")))


def test_a_study_without_a_value_is_an_empty_picture():
    """A study whose trials all failed has an empty picture and no error."""
    nothing = Written(lambda *_: [], failure="ValueError: no")
    (one,) = forecast([job()], [1], lambda _: nothing, repeats=2)
    assert "1 worker" in _texts(forecast_picture([one], "svg"))
