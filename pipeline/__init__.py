"""tunepipe: hyperparameter tuning for Keras on Ray Tune, with every result in Parquet.

from pipeline import Choice, LogUniform, Objective, TuneJob, load_results, run
"""

from typing import TYPE_CHECKING, Any

from pipeline.datasets.base import Dataset, Split
from pipeline.errors import TunepipeError, UserError
from pipeline.schedulers import ASHA, FIFO, PASHA, PB2, PBT, Hyperband, MedianStopping, PromotingASHA, RayScheduler
from pipeline.searchers import CMASearch, GPSearch, GridSearch, RandomSearch, RaySearch, SobolSearch, TPESearch
from pipeline.space import Choice, Grid, IntUniform, LogUniform, Normal, QUniform, Switch, Uniform
from pipeline.study import Budget, Checkpoints, Objective, Resources, StartFrom, TuneJob

if TYPE_CHECKING:
    from pipeline.execution.run import run
    from pipeline.results.load import load_results

__all__ = [
    "ASHA",
    "FIFO",
    "PASHA",
    "PB2",
    "PBT",
    "Budget",
    "CMASearch",
    "Checkpoints",
    "Choice",
    "Dataset",
    "GPSearch",
    "Grid",
    "GridSearch",
    "Hyperband",
    "IntUniform",
    "LogUniform",
    "MedianStopping",
    "Normal",
    "Objective",
    "PromotingASHA",
    "QUniform",
    "RandomSearch",
    "RayScheduler",
    "RaySearch",
    "Resources",
    "SobolSearch",
    "Split",
    "StartFrom",
    "Switch",
    "TPESearch",
    "TuneJob",
    "TunepipeError",
    "Uniform",
    "UserError",
    "load_results",
    "run",
]


def __getattr__(name: str) -> Any:
    # What runs studies and what reads results is heavy: it is imported by whoever asks for it.
    if name == "run":
        from pipeline.execution.run import run

        return run
    if name == "load_results":
        from pipeline.results.load import load_results

        return load_results
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
