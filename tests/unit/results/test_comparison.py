"""Studies side by side: numbers that are known, and words where nothing can be said."""

import json
import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from pipeline.cli.app import app
from pipeline.errors import UsageError
from pipeline.results import Results, load_results
from pipeline.results.comparison import compared, comparison_object
from pipeline.results.comparison_view import comparison_page
from pipeline.results.plots.curves import progress
from pipeline.study import Objective, layout
from tests.unit.results.studies import Recording, tune_job


def _study(root: Path, name: str, values: Sequence[float], *, seed: int = 0, metric: str = "val_accuracy") -> Results:
    """A trial of one epoch for each value; trial i has the same config in every study."""
    job = tune_job(name, scheduler="fifo", seed=seed, objectives=(Objective(metric, "max"),))
    study = Recording(root, job)
    for index, value in enumerate(values):
        config = {"lr": 0.001 * (index + 1)}
        study.decide(layout.trial_id(index), 0, "start", float(index), config_after=config)
        study.train(layout.trial_id(index), 1, config, value, index + 1.0, **{metric: value})
        study.decide(layout.trial_id(index), 1, "finish", index + 1.0)
    study.end(float(len(values)))
    return load_results(study.store.uri)


def test_the_best_grows_with_time_trials_and_epochs(tmp_path: Path) -> None:
    """Each epoch is a row; the best so far never falls."""
    grown = progress(_study(tmp_path, "a", [0.2, 0.1, 0.5]))
    assert grown["best"].to_list() == [0.2, 0.2, 0.5]
    assert grown["seconds"].to_list() == [1.0, 2.0, 3.0]
    assert grown["trials"].to_list() == grown["epochs"].to_list() == [1, 2, 3]


def test_the_expected_best_is_the_mean_over_all_draws(tmp_path: Path) -> None:
    """Of k trials drawn with replacement: the same as drawing very often."""
    values = np.random.default_rng(0).random(12)
    found = compared({"a": _study(tmp_path, "a", values), "b": _study(tmp_path, "b", values)})
    assert found.draws == 6
    drawn = np.random.default_rng(1).choice(values, (100_000, 6)).max(axis=1).mean()
    assert found.members[0].expected == pytest.approx(drawn, abs=0.003)


def test_a_clear_difference_is_told_and_an_unclear_one_is_not(tmp_path: Path) -> None:
    """Far apart: the interval lies on one side of 0. The same values: it holds 0."""
    low = np.random.default_rng(0).uniform(0.1, 0.2, 20)
    studies = {"a": _study(tmp_path, "a", low + 0.5), "b": _study(tmp_path, "b", low), "c": _study(tmp_path, "c", low)}
    apart = {one.names: one for one in compared(studies).differences}
    assert apart["a", "b"].low > 0.4
    assert apart["a", "b"].share == 1
    assert apart["b", "c"].low < 0 < apart["b", "c"].high


def test_a_level_playing_field_is_the_epochs_of_the_shortest(tmp_path: Path) -> None:
    """What each had after as many epochs as the study that trained fewest."""
    found = compared({"a": _study(tmp_path, "a", [0.1, 0.2, 0.9]), "b": _study(tmp_path, "b", [0.3, 0.1])})
    assert found.level == 2
    assert [member.level for member in found.members] == [0.2, 0.3]
    assert found.draws == 0
    assert found.differences == []


def test_studies_that_differ_in_their_seed_alone_are_one_group(tmp_path: Path) -> None:
    """Their bests are averaged; an interval needs three."""
    studies = {f"s{seed}": _study(tmp_path, f"s{seed}", [0.1 * seed + 0.1], seed=seed) for seed in range(3)}
    studies["other"] = _study(tmp_path, "other", [0.7], seed=1)
    (group,) = compared({name: studies[name] for name in ("s0", "s1", "s2")}).seeds
    assert group.names == ("s0", "s1", "s2")
    assert group.mean == pytest.approx(0.2)
    assert group.low is not None
    (pair,) = compared({name: studies[name] for name in ("s0", "s1")}).seeds
    assert pair.low is None
    assert compared({name: studies[name] for name in ("s1", "other")}).seeds == []


def test_configs_that_both_tried_are_found_with_what_both_find_good(tmp_path: Path) -> None:
    """Equal configs: their rank correlation, and those in the best quarter of both."""
    values = [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8]
    (shared,) = compared(
        {"a": _study(tmp_path, "a", values), "b": _study(tmp_path, "b", values[::-1])}
    ).shared  # fmt: skip
    assert (shared.count, shared.good) == (8, [])
    assert shared.correlation == pytest.approx(-1)
    (shared,) = compared({"a": _study(tmp_path, "c", values), "b": _study(tmp_path, "d", values)}).shared
    assert shared.good == [("0006", "0006"), ("0007", "0007")]


def test_what_cannot_be_compared_is_refused(tmp_path: Path) -> None:
    """One study alone, and studies of two objectives."""
    one = _study(tmp_path, "a", [0.1])
    with pytest.raises(UsageError, match="two or more; found 1"):
        compared({"a": one})
    with pytest.raises(UsageError, match=r"a by val_accuracy \(max\), b by accuracy \(max\)"):
        compared({"a": one, "b": _study(tmp_path, "b", [0.1], metric="accuracy")})


def test_an_empty_study_has_a_line_of_its_own(tmp_path: Path) -> None:
    """Nothing is known of it, and nothing fails for it."""
    found = compared({"a": _study(tmp_path, "a", []), "b": _study(tmp_path, "b", [0.5] * 6)})
    assert found.members[0].best is None
    json.dumps(comparison_object(found), allow_nan=False)
    assert "<svg" in comparison_page(found)


@pytest.mark.parametrize(("suffix", "head"), [("html", b"<!doctype"), ("png", b"\x89PNG"), ("svg", b"<?xml")])
def test_the_command_prints_tables_and_writes_what_is_asked(
    asha_results: Results, pbt_results: Results, tmp_path: Path, suffix: str, head: bytes
) -> None:
    """Studies by their folders; the file is of the kind its name says."""
    file = tmp_path / f"compared.{suffix}"
    command = ["compare", asha_results.location, pbt_results.location, "--output", str(file)]
    told = CliRunner().invoke(app, command, catch_exceptions=False).stdout
    assert "mnist-asha over mnist-pbt" in told
    assert told.endswith(f"{file}\n")
    assert file.read_bytes().startswith(head)
    if suffix == "html":
        assert not re.findall(rb"(?:src|href)=.?https?:|url\(.?https?:", file.read_bytes())
