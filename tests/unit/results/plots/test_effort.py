"""Where the time went, drawn."""

import numpy as np
import pandas as pd
import pytest
from matplotlib.collections import PolyCollection

from pipeline.results import Results, plots
from pipeline.results.analysis.queries import PHASES, effort
from tests.unit.results.plots.drawing import drawn
from tests.unit.results.studies import with_tables


def test_each_trial_has_a_bar_of_its_phases(asha_results: Results) -> None:
    """Each trial's bar has its phases in order, as long as their seconds, without the idle time."""
    ax, spent = drawn(plots.where_time_went, asha_results), effort(asha_results)
    bars = [
        path.vertices for group in ax.collections if isinstance(group, PolyCollection) for path in group.get_paths()
    ]
    ends: dict[float, float] = {}
    for corners in bars:
        row = round(float(corners[:, 1].mean()))
        ends[row] = max(ends.get(row, 0.0), float(corners[:, 0].max()))
    trials = spent.trials.to_pandas().set_index("trial_id")
    totals = trials.sum(axis=1)
    rows = {len(totals) - place: total for place, total in enumerate(totals) if total}
    assert ends == pytest.approx(rows)
    assert [label.get_text() for label in ax.get_yticklabels()] == list(trials.index)
    texts = [text.get_text() for text in ax.texts]
    assert any(text.startswith(f"idle: {spent.idle:.1f} s") for text in texts)
    assert [text for text in texts if text in PHASES] == [phase for phase in PHASES if trials[phase].sum() > 0]


def test_the_axis_is_in_seconds_however_short_the_trials(asha_results: Results) -> None:
    """The time axis is in seconds without a common factor, even if trials took only microseconds."""
    seconds = [name for name in asha_results.epochs if name.startswith("seconds_")]
    short = asha_results.epochs.assign(**{name: asha_results.epochs[name] / 1e6 for name in seconds})
    ax = drawn(plots.where_time_went, with_tables(asha_results, epochs=short))
    assert ax.xaxis.get_offset_text().get_text() == ""
    ticks = [(at, label.get_text()) for at, label in zip(ax.get_xticks(), ax.get_xticklabels(), strict=True)]
    assert all(float(text.replace("−", "-")) == pytest.approx(at, abs=1e-12) for at, text in ticks if text)
    assert ax.get_xlim()[1] < 1e-3


def test_very_many_trials_are_one_shape_a_phase(asha_results: Results) -> None:
    """The phases of very many trials are drawn as one shape for each phase, without the trials' names."""

    def crowd(rows: pd.DataFrame) -> pd.DataFrame:
        return pd.concat(
            [rows.assign(trial_id=[f"{int(trial) + 100 * n:04d}" for trial in rows["trial_id"]]) for n in range(60)]
        )

    results = with_tables(asha_results, epochs=crowd(asha_results.epochs), trials=crowd(asha_results.trials))
    ax = drawn(plots.where_time_went, results)
    assert len(ax.collections) == len(PHASES)
    assert not any(isinstance(group, PolyCollection) and len(group.get_paths()) > 1 for group in ax.collections)
    assert list(ax.get_yticks()) == []
    assert np.isfinite(ax.get_xlim()).all()
