"""Searchers: which config is tried next."""

from typing import TYPE_CHECKING, TypeAlias

from pipeline.searchers.base import Observation, SearcherSettings, Suggestion
from pipeline.searchers.cma import CMASearch
from pipeline.searchers.curves import CurveSearch
from pipeline.searchers.gp import GPSearch
from pipeline.searchers.grid import GridSearch
from pipeline.searchers.motpe import MOTPESearch
from pipeline.searchers.nsga2 import NSGA2Search
from pipeline.searchers.random import RandomSearch
from pipeline.searchers.ray import RaySearch
from pipeline.searchers.sobol import SobolSearch
from pipeline.searchers.tpe import TPESearch
from pipeline.space import any_settings, kind_of

__all__ = [
    "SEARCHERS",
    "AnySearcher",
    "CMASearch",
    "CurveSearch",
    "GPSearch",
    "GridSearch",
    "MOTPESearch",
    "NSGA2Search",
    "Observation",
    "RandomSearch",
    "RaySearch",
    "SearcherSettings",
    "SobolSearch",
    "Suggestion",
    "TPESearch",
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
