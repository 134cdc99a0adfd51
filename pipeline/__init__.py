"""tunepipe: hyperparameter tuning for Keras on Ray Tune, with every result in Parquet.

from pipeline import Choice, LogUniform, Objective, TuneJob, load_results, run
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pipeline.adapters import from_keras_tuner, from_optuna, from_ray_tune
    from pipeline.datasets.base import Dataset, Split
    from pipeline.errors import TunepipeError, UserError
    from pipeline.execution.load_model import load_model, load_state
    from pipeline.execution.run import run
    from pipeline.results.notebook import load_results, show
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


_MODULES = {
    "pipeline.adapters": ("from_keras_tuner", "from_optuna", "from_ray_tune"),
    "pipeline.datasets.base": ("Dataset", "Split"),
    "pipeline.errors": ("TunepipeError", "UserError"),
    "pipeline.execution.load_model": ("load_model", "load_state"),
    "pipeline.execution.run": ("run",),
    "pipeline.results.notebook": ("load_results", "show"),
    "pipeline.schedulers": (
        "ASHA",
        "FIFO",
        "MOASHA",
        "PASHA",
        "PB2",
        "PBT",
        "Hyperband",
        "MedianStopping",
        "PromotingASHA",
        "PromotingMOASHA",
        "RayScheduler",
        "SuccessiveHalving",
    ),
    "pipeline.searchers": (
        "CMASearch",
        "CurveSearch",
        "GPSearch",
        "GridSearch",
        "MOTPESearch",
        "NSGA2Search",
        "RandomSearch",
        "RaySearch",
        "SobolSearch",
        "TPESearch",
    ),
    "pipeline.space": ("Choice", "Grid", "IntUniform", "LogUniform", "Normal", "QUniform", "Switch", "Uniform"),
    "pipeline.study": ("Budget", "Checkpoints", "Fit", "Objective", "Phase", "Resources", "StartFrom", "TuneJob"),
    "pipeline.study.context": ("TrialContext", "trial"),
    "pipeline.training.shared_cache": ("shared_cache",),
}


def __getattr__(name: str) -> Any:
    # Imported at first use: a command, and a process beside it, load what they need, and no more.
    for module, names in _MODULES.items():
        if name in names:
            try:
                return getattr(import_module(module), name)
            except (ImportError, AttributeError) as error:
                from pipeline.hidden_modules import hidden_behind, hidden_text

                if hidden := hidden_behind(error):
                    # Python would report that this package has no such name.
                    raise ImportError(f"{type(error).__name__}: {error}. {hidden_text(hidden)}") from error
                raise
    if name == "__version__":
        from importlib.metadata import version

        return version("tunepipe")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
