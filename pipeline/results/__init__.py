"""Tables → answers: leaderboard, plots, report. No Ray, no TensorFlow."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pipeline.results.tables.load import Best, Results, load_results

__all__ = ["Best", "Results", "load_results"]


def __getattr__(name: str) -> Any:
    # Pandas is imported at first use: starting a second process needs none of it.
    if name in __all__:
        from pipeline.results.tables import load

        return getattr(load, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
