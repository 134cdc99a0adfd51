"""Why a study gave its results: importance, how early values predict final ones, savings of early stopping, time."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pipeline.results.analysis.explanation import Explanation, explained

__all__ = ["Explanation", "explained"]


def __getattr__(name: str) -> Any:
    # Imported at first use: a single analysis, and the process that fits forests, need no other one.
    if name in __all__:
        from pipeline.results.analysis import explanation

        return getattr(explanation, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
