"""Functions that report any names and values as metrics give readable tables or a message."""

import tempfile
from collections.abc import Iterator, Mapping
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
from hypothesis import HealthCheck, given, settings, strategies as st

from pipeline import Budget, Objective, TuneJob, load_results, run
from pipeline.errors import TunepipeError
from tests.command import tunepipe
from tests.conftest import EXAMPLES

_REPORTS: list[Any] = []


class _Strange:
    """An object that only looks like a number."""

    def __float__(self) -> float:
        raise RuntimeError("no number")

    def __repr__(self) -> str:
        raise RuntimeError("no text")


_VALUES = st.one_of(
    st.floats(), st.integers(), st.booleans(), st.decimals(), st.complex_numbers(), st.text(max_size=4),
    st.sampled_from(
        [
            None, 10**400, Fraction(10**400), Decimal("1e999"), Decimal("sNaN"), b"1", [1.0], {}, _Strange(), object(),
            np.float16(1), np.longdouble(1), np.bool_(True), np.complex128(1j), np.str_("1"), np.array(1.0),
            np.array([[1]]), np.zeros(0), np.array([None], dtype=object), np.datetime64("2026-01-01"), np.ma.masked,
        ]
    ),
)  # fmt: skip
_NAMES = st.text(max_size=8) | st.sampled_from(
    [
        "score", "Score", "score_", "epoch", "trial_id", "config_x", 'a"b', "a;drop table x", "x" * 3000, "\0",
        "\ud800", "\x1b[31m", "\n", "\u202e", "損失", "☃", "1", 1, None, (), b"x", "select",
    ]
)  # fmt: skip
_STEPS = st.lists(st.dictionaries(_NAMES, _VALUES, max_size=4), min_size=1, max_size=3)


def report(config: Mapping[str, Any]) -> Iterator[Any]:
    """Report the metrics of the example."""
    yield from _REPORTS


def _tried(steps: list[Any]) -> str:
    """Run a study of a function that reports the steps; return how it ended."""
    _REPORTS[:] = steps
    job = TuneJob(
        name="s",
        function=report,
        space={"x": 1.0},
        objectives=[Objective("score", "max")],
        scheduler="fifo",
        budget=Budget(trials=1, epochs=4),
        resources={"workers": 0},
    )
    with tempfile.TemporaryDirectory() as storage:
        ended, reported = "ended", "ended"
        try:
            run(job, storage=storage, note=lambda _: None)
        except TunepipeError as error:
            ended, reported = type(error).__name__, str(error)
        assert reported.strip()
        if (Path(storage) / "s" / "study.json").exists():
            found = load_results(Path(storage) / "s")
            columns = list(found.epochs.columns)
            assert len({column.lower() for column in columns}) == len(columns)
            printed = tunepipe("results", "s", "--storage", storage)
            assert printed.code in (0, 3), printed.errors
        return ended


@settings(max_examples=EXAMPLES // 4, suppress_health_check=list(HealthCheck))
@given(value=_VALUES)
def test_any_value_of_the_objective_ends_in_a_study_or_in_words(value: Any) -> None:
    ended = _tried([{"score": 0.5}, {"score": value}])
    assert ended in ("ended", "NoTrialSucceeded", "ModelError")
    if type(value) in (int, float, bool) and abs(value) <= 1e308:
        assert ended == "ended"


@settings(max_examples=EXAMPLES // 4, suppress_health_check=list(HealthCheck))
@given(steps=_STEPS, objective=st.booleans())
def test_any_names_and_values_end_in_a_study_or_in_a_message(steps: list[Any], objective: bool) -> None:
    _tried([{"score": 0.5, **step} for step in steps] if objective else steps)
