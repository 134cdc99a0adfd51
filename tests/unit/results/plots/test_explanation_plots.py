"""Pictures of an explanation."""

from dataclasses import replace

import pyarrow as pa
import pytest

from pipeline.results import Results, plots
from pipeline.results.analysis.importance import importances
from pipeline.results.plots.explanation_plots import importance_bars
from tests.unit.results.plots.drawing import drawn


def test_bars_are_shares_the_largest_above(known: Results) -> None:
    """Hyperparameters and visible pairs have bars in descending order, each with its share as a number."""
    importance = importances(known)[0]
    ax = drawn(importance_bars, importance)
    names = [label.get_text() for label in ax.get_yticklabels()]
    assert names[:2] == ["a", "c"]
    pairs = [pair for pair in importance.pairs if pair.share >= 0.005]
    assert len(names) == len(ax.patches) == min(len(importance.effects) + len(pairs), 12)
    shares = [bar.get_width() for bar in ax.patches]
    assert shares == sorted(shares, reverse=True)
    assert shares[0] == importance.effects[0].share
    assert ax.texts[0].get_text() == f"{shares[0]:.0%}"


def test_tiny_shares_fill_the_picture(known: Results) -> None:
    """The axis of shares ends behind the longest interval, and a share that rounds to zero is shown as <1%."""
    effects = [replace(effect, share=0.004, low=0.0, high=0.02) for effect in importances(known)[0].effects]
    pairs = [replace(pair, share=0.001) for pair in importances(known)[0].pairs]
    ax = drawn(importance_bars, replace(importances(known)[0], effects=effects, pairs=pairs))
    assert ax.get_xlim() == pytest.approx((0, 0.023))
    assert {text.get_text() for text in ax.texts} == {"<1%"}
    assert len(ax.patches) == len(effects)


def test_the_objective_along_a_number_is_a_line_and_along_a_choice_points(known: Results) -> None:
    """The forest's means are drawn as a line along a numeric parameter, and as points along a choice."""
    by_name = {effect.parameter.name: effect for effect in importances(known)[0].effects}
    ax = drawn(lambda effect, axes: plots.partial_dependence(known, effect, axes), by_name["b"])
    assert ax.get_xscale() == "log"
    assert list(ax.get_lines()[0].get_ydata()) == pytest.approx(by_name["b"].means)
    ax = drawn(lambda effect, axes: plots.partial_dependence(known, effect, axes), by_name["c"])
    assert [label.get_text() for label in ax.get_xticklabels()] == ["x", "y", "z"]
    assert ax.get_title(loc="left") == "c"


def test_early_values_are_drawn_by_epoch() -> None:
    """Correlations of early values are drawn from −1 to 1 on a logarithmic axis that names each epoch."""
    rho = {
        name: [factor * place for place in range(3)]
        for name, factor in (("correlation", 0.2), ("low", 0.1), ("high", 0.3))
    }
    found = pa.table({"epoch": [1, 2, 4], **rho})
    ax = drawn(plots.early_values, found)
    assert [label.get_text() for label in ax.get_xticklabels()] == ["1", "2", "4"]
    assert list(ax.get_lines()[1].get_ydata()) == pytest.approx([0.0, 0.2, 0.4])
    assert ax.get_ylim() == (-1.05, 1.05)
