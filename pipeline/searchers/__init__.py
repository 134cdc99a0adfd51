"""Searchers: which config is tried next."""

from typing import TYPE_CHECKING, TypeAlias

from pipeline.searchers.base import EarlierStudy, History, Observation, RaySearch, SearcherSettings, Suggestion
from pipeline.searchers.cma import CMASearch
from pipeline.searchers.curve_model import curve_of, thinned
from pipeline.searchers.curves import CurveSearch
from pipeline.searchers.gp import GPSearch
from pipeline.searchers.optuna_samplers import MOTPESearch, NSGA2Search, TPESearch
from pipeline.searchers.simple import GridSearch, RandomSearch, SobolSearch
from pipeline.space import any_settings, kind_of

__all__ = [
    "SEARCHERS",
    "AnySearcher",
    "CMASearch",
    "CurveSearch",
    "EarlierStudy",
    "GPSearch",
    "GridSearch",
    "History",
    "MOTPESearch",
    "NSGA2Search",
    "Observation",
    "RandomSearch",
    "RaySearch",
    "SearcherSettings",
    "SobolSearch",
    "Suggestion",
    "TPESearch",
    "curve_of",
    "thinned",
]

_ALL: tuple[type[SearcherSettings], ...] = (
    CMASearch,
    CurveSearch,
    GPSearch,
    GridSearch,
    MOTPESearch,
    NSGA2Search,
    RandomSearch,
    SobolSearch,
    TPESearch,
)

SEARCHERS = {str(kind_of(settings)): settings for settings in _ALL}
"""Every searcher by its name on the command line."""

if TYPE_CHECKING:
    AnySearcher: TypeAlias = SearcherSettings
else:
    AnySearcher = any_settings(SEARCHERS, RaySearch)
"""The settings of any searcher, or of a class of Ray Tune; `kind` says which."""
