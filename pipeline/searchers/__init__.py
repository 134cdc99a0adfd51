"""Searchers: which config is tried next."""

from typing import TYPE_CHECKING, TypeAlias

from pipeline.searchers.base import (
    History as History,
    Observation as Observation,
    RaySearch as RaySearch,
    SearcherSettings as SearcherSettings,
    Suggestion as Suggestion,
)
from pipeline.searchers.curves import CurveSearch as CurveSearch, GPSearch as GPSearch
from pipeline.searchers.simple import GridSearch as GridSearch, RandomSearch as RandomSearch, SobolSearch as SobolSearch
from pipeline.searchers.tpe import MOTPESearch as MOTPESearch, TPESearch as TPESearch
from pipeline.space import any_settings, kind_of

_ALL: tuple[type[SearcherSettings], ...] = (
    CurveSearch,
    GPSearch,
    GridSearch,
    MOTPESearch,
    RandomSearch,
    SobolSearch,
    TPESearch,
)

SEARCHERS = {str(kind_of(settings)): settings for settings in _ALL}

if TYPE_CHECKING:
    AnySearcher: TypeAlias = SearcherSettings
else:
    AnySearcher = any_settings(SEARCHERS, RaySearch)
"""The settings of any searcher, or of a class of Ray Tune; `kind` says which."""
