"""tunepipe: hyperparameter tuning for Keras on Ray Tune, with every result in Parquet.

from pipeline import Choice, LogUniform, Objective, TuneJob, load_results, run
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pipeline.adapters import from_program as from_program
    from pipeline.api import check as check, load_model as load_model, load_state as load_state, run as run
    from pipeline.datasets.base import Dataset as Dataset, Split as Split
    from pipeline.errors import TunepipeError as TunepipeError, UserError as UserError
    from pipeline.results.tables.load import load_results as load_results
    from pipeline.schedulers import (
        ASHA as ASHA,
        FIFO as FIFO,
        MOASHA as MOASHA,
        PBT as PBT,
        Hyperband as Hyperband,
        MedianStopping as MedianStopping,
        PromotingASHA as PromotingASHA,
        PromotingMOASHA as PromotingMOASHA,
        RayScheduler as RayScheduler,
    )
    from pipeline.searchers import (
        CurveSearch as CurveSearch,
        GPSearch as GPSearch,
        GridSearch as GridSearch,
        MOTPESearch as MOTPESearch,
        RandomSearch as RandomSearch,
        RaySearch as RaySearch,
        SobolSearch as SobolSearch,
        TPESearch as TPESearch,
    )
    from pipeline.space import (
        Choice as Choice,
        Grid as Grid,
        IntUniform as IntUniform,
        LogUniform as LogUniform,
        QUniform as QUniform,
        Switch as Switch,
        Uniform as Uniform,
    )
    from pipeline.study import (
        Budget as Budget,
        Checkpoints as Checkpoints,
        Fit as Fit,
        Objective as Objective,
        Phase as Phase,
        Resources as Resources,
        StartFrom as StartFrom,
        TuneJob as TuneJob,
    )
    from pipeline.study.context import TrialContext as TrialContext, trial as trial
    from pipeline.training.data import shared_cache as shared_cache

_MODULES = {
    "pipeline.adapters": "from_program",
    "pipeline.api": "check load_model load_state run",
    "pipeline.datasets.base": "Dataset Split",
    "pipeline.errors": "TunepipeError UserError",
    "pipeline.results.tables.load": "load_results",
    "pipeline.schedulers": "ASHA FIFO Hyperband MOASHA MedianStopping PBT PromotingASHA PromotingMOASHA RayScheduler",
    "pipeline.searchers": "CurveSearch GPSearch GridSearch MOTPESearch RandomSearch RaySearch SobolSearch TPESearch",
    "pipeline.space": "Choice Grid IntUniform LogUniform QUniform Switch Uniform",
    "pipeline.study": "Budget Checkpoints Fit Objective Phase Resources StartFrom TuneJob",
    "pipeline.study.context": "TrialContext trial",
    "pipeline.training.data": "shared_cache",
}

__all__ = sorted(name for names in _MODULES.values() for name in names.split())


def __getattr__(name: str) -> Any:
    # Imported at first use: a command, and its second process, load only what they need.
    for module, names in _MODULES.items():
        if name in names.split():
            return getattr(import_module(module), name)
    if name == "__version__":
        from importlib.metadata import version

        return version("tunepipe")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return __all__
