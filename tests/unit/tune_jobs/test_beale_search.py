"""Searchers compared with SciPy's minimisers."""

from pathlib import Path

import pytest

from pipeline import load_results, run
from tune_jobs import beale_minimise, beale_search
from tune_jobs.surfaces import SURFACES


@pytest.mark.parametrize("searcher", ["random", "sobol", "tpe", "gp"])
def test_every_searcher_gets_into_the_valley(searcher: str, tmp_path: Path) -> None:
    job = beale_search.JOB.replaced({"searcher": searcher, "budget.trials": 48, "resources.workers": 0})
    run(job, storage=tmp_path)
    best = load_results(tmp_path / job.name).best
    assert best is not None
    assert best.value < 1


@pytest.mark.parametrize("name", SURFACES)
def test_any_surface_is_searched_and_minimised_through_the_same_door(name: str) -> None:
    surface = SURFACES[name]
    job = beale_search.search(name)
    assert (job.space["x"].low, job.space["y"].high) == (surface.x[0], surface.y[1])
    place = {"surface": name, "x": surface.minima[0][0], "y": surface.minima[0][1]}
    assert beale_search.look(place)["distance"] == 0
    *_, last = beale_minimise.iterations({"surface": name, "method": "L-BFGS-B"})
    assert last["value"] < surface.value(surface.starts(1))[0]
