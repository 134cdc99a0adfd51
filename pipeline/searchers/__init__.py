"""Searchers: which config is tried next."""

from typing import Annotated, TypeAlias

from pydantic import Field

from pipeline.searchers.base import SearcherSettings, Tried
from pipeline.searchers.cma import CMASearch
from pipeline.searchers.gp import GPSearch
from pipeline.searchers.grid import GridSearch
from pipeline.searchers.random import RandomSearch
from pipeline.searchers.sobol import SobolSearch
from pipeline.searchers.tpe import TPESearch

__all__ = [
    "SEARCHERS",
    "AnySearcher",
    "CMASearch",
    "GPSearch",
    "GridSearch",
    "RandomSearch",
    "SearcherSettings",
    "SobolSearch",
    "TPESearch",
    "Tried",
]

SEARCHERS: dict[str, type[SearcherSettings]] = {
    "cma": CMASearch,
    "gp": GPSearch,
    "grid": GridSearch,
    "random": RandomSearch,
    "sobol": SobolSearch,
    "tpe": TPESearch,
}
"""Every searcher by the name the command line knows it by."""

AnySearcher: TypeAlias = Annotated[
    CMASearch | GPSearch | GridSearch | RandomSearch | SobolSearch | TPESearch, Field(discriminator="kind")
]
