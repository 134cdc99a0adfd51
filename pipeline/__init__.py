"""tunepipe: hyperparameter tuning for Keras on Ray Tune, with every result in Parquet.

from pipeline import Choice, LogUniform, Objective, TuneJob, load_results, run
"""

from typing import TYPE_CHECKING, Any

from pipeline.datasets.base import Dataset, Split
from pipeline.errors import TunepipeError, UserError
from pipeline.schedulers import (
    ASHA,
    FIFO,
    MOASHA,
    PASHA,
    PB2,
    PBT,
    Hyperband,
    MedianStopping,
    PromotingASHA,
    PromotingMOASHA,
    RayScheduler,
    SuccessiveHalving,
)
from pipeline.searchers import (
    CMASearch,
    CurveSearch,
    GPSearch,
    GridSearch,
    MOTPESearch,
    NSGA2Search,
    RandomSearch,
    RaySearch,
    SobolSearch,
    TPESearch,
)
from pipeline.space import Choice, Grid, IntUniform, LogUniform, Normal, QUniform, Switch, Uniform
from pipeline.study import Budget, Checkpoints, Fit, Objective, Phase, Resources, StartFrom, TuneJob
from pipeline.study.context import TrialContext, trial

if TYPE_CHECKING:
    from pipeline.adapters import from_keras_tuner, from_optuna, from_ray_tune
    from pipeline.execution.load_model import load_model, load_state
    from pipeline.execution.run import run
    from pipeline.results.notebook import load_results, show
    from pipeline.training.shared_cache import shared_cache

__all__ = [
    "ASHA",
    "FIFO",
    "MOASHA",
    "PASHA",
    "PB2",
    "PBT",
    "Budget",
    "CMASearch",
    "Checkpoints",
    "Choice",
    "CurveSearch",
    "Dataset",
    "Fit",
    "GPSearch",
    "Grid",
    "GridSearch",
    "Hyperband",
    "IntUniform",
    "LogUniform",
    "MOTPESearch",
    "MedianStopping",
    "NSGA2Search",
    "Normal",
    "Objective",
    "Phase",
    "PromotingASHA",
    "PromotingMOASHA",
    "QUniform",
    "RandomSearch",
    "RayScheduler",
    "RaySearch",
    "Resources",
    "SobolSearch",
    "Split",
    "StartFrom",
    "SuccessiveHalving",
    "Switch",
    "TPESearch",
    "TrialContext",
    "TuneJob",
    "TunepipeError",
    "Uniform",
    "UserError",
    "from_keras_tuner",
    "from_optuna",
    "from_ray_tune",
    "load_model",
    "load_results",
    "load_state",
    "run",
    "shared_cache",
    "show",
    "trial",
]


def __getattr__(name: str) -> Any:
    # Running studies and reading results need heavy libraries, so they are imported at first use.
    if name == "run":
        from pipeline.execution.run import run

        return run
    if name in ("from_keras_tuner", "from_optuna", "from_ray_tune"):
        from pipeline import adapters

        return getattr(adapters, name)
    if name in ("load_model", "load_state"):
        from pipeline.execution import load_model as loading

        return getattr(loading, name)
    if name == "__version__":
        from importlib.metadata import version

        return version("tunepipe")
    if name in ("load_results", "show"):
        from pipeline.results import notebook

        return getattr(notebook, name)
    if name == "shared_cache":
        from pipeline.training.shared_cache import shared_cache

        return shared_cache
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
