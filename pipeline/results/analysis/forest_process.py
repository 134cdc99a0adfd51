"""Forests that a second process fits: it loads scikit-learn, which takes a second, while this one reads the study."""

import io
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

import numpy as np

from pipeline.results import second_process
from pipeline.results.analysis.forests import Fit, Forests, Sample, fit_here, forests
from pipeline.results.analysis.random_forest import RandomForest

if TYPE_CHECKING:
    from pipeline.storage import Store


_SKIPPED = {
    # scikit-learn would import pandas to recognise frames, of which it gets none.
    "hidden": ["pandas"],
    # Its trees are a small part of it: with all that they could use, their import takes twice as long and twice the
    # memory.
    "deferred": ["numpy.f2py", "numpy.testing", "scipy.stats"],
    "empty": ["scipy.special", "sklearn.neighbors"],
}


@contextmanager
def fitting(store: "Store") -> Iterator[Fit]:
    """A context in which forests are fitted, by a second process where that pays.

    Where that one fails, perhaps because memory ran out, they are fitted here.
    """
    if not second_process.is_worthwhile(store):
        yield fit_here
        return
    with second_process.start_process(__name__, libraries=["sklearn.tree"], **_SKIPPED) as process:

        def fit_there(samples: Sequence[Sample]) -> Callable[[], Sequence[Forests]]:
            second_process.send_arguments(
                process, [(units.tolist(), values.tolist(), first) for units, values, first in samples]
            )

            def wait() -> Sequence[Forests]:
                answer = second_process.read_answer(process)
                return _unpacked(answer, len(samples)) if answer is not None else fit_here(samples)()

            return wait

        try:
            yield fit_there
        finally:
            process.kill()


def main(samples: Sequence[tuple[list[list[float]], list[float], int]]) -> None:
    """The other side of `fitting`: print the forests as bytes."""
    fits = [forests(np.array(units), np.array(values), first) for units, values, first in samples]
    sys.stdout.buffer.write(_packed(fits))


def _packed(fits: Sequence[Forests]) -> bytes:
    arrays = {}
    for number, fit in enumerate(fits):
        arrays[f"{number}"] = np.array([fit.r_squared, fit.low, fit.high, *fit.r_squared_again])
        arrays[f"{number}/axes"] = np.array(fit.axes)
        for turn, forest in enumerate((fit.whole, *fit.again)):
            for name in ("low", "high", "value", "variance", "unseen"):
                arrays[f"{number}/{turn}/{name}"] = np.asarray(getattr(forest, name))
    content = io.BytesIO()
    np.savez(content, allow_pickle=False, **arrays)
    return content.getvalue()


def _unpacked(content: bytes, count: int) -> Sequence[Forests]:
    arrays = np.load(io.BytesIO(content), allow_pickle=False)

    def forest(number: int, turn: int) -> RandomForest:
        low, high, value, variance, unseen = (
            arrays[f"{number}/{turn}/{name}"] for name in ("low", "high", "value", "variance", "unseen")
        )
        return RandomForest(low, high, value, float(variance), unseen)

    def fit(number: int) -> Forests:
        r_squared, low, high, *again = arrays[f"{number}"].tolist()
        turns = [forest(number, turn) for turn in range(1 + len(again))]
        return Forests(turns[0], arrays[f"{number}/axes"].tolist(), turns[1:], r_squared, low, high, again)

    return [fit(number) for number in range(count)]
