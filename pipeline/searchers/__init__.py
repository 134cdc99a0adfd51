"""Searchers: which config is tried next."""

from typing import Annotated, TypeAlias

from pydantic import Discriminator, Tag

from pipeline.searchers.base import SearcherSettings, Tried
from pipeline.searchers.cma import CMASearch
from pipeline.searchers.gp import GPSearch
from pipeline.searchers.grid import GridSearch
from pipeline.searchers.random import RandomSearch
from pipeline.searchers.ray import RaySearch
from pipeline.searchers.sobol import SobolSearch
from pipeline.searchers.tpe import TPESearch
from pipeline.space.elsewhere import kind_of

__all__ = [
    "SEARCHERS",
    "AnySearcher",
    "CMASearch",
    "GPSearch",
    "GridSearch",
    "RandomSearch",
    "RaySearch",
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
    Annotated[CMASearch, Tag("cma")]
    | Annotated[GPSearch, Tag("gp")]
    | Annotated[GridSearch, Tag("grid")]
    | Annotated[RandomSearch, Tag("random")]
    | Annotated[SobolSearch, Tag("sobol")]
    | Annotated[TPESearch, Tag("tpe")]
    | Annotated[RaySearch, Tag("ray")],
    Discriminator(kind_of),
]
"""The settings of any of them, or of a class of Ray Tune's, told by its kind."""
