"""Searchers: which config is tried next."""

from typing import Annotated, TypeAlias

from pydantic import Discriminator, Tag

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
from pipeline.space.ray_class_settings import kind_of

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

SEARCHERS: dict[str, type[SearcherSettings]] = {
    "cma": CMASearch,
    "curves": CurveSearch,
    "gp": GPSearch,
    "grid": GridSearch,
    "motpe": MOTPESearch,
    "nsga2": NSGA2Search,
    "random": RandomSearch,
    "sobol": SobolSearch,
    "tpe": TPESearch,
}
"""Every searcher by its name on the command line."""

AnySearcher: TypeAlias = Annotated[
    Annotated[CMASearch, Tag("cma")]
    | Annotated[CurveSearch, Tag("curves")]
    | Annotated[GPSearch, Tag("gp")]
    | Annotated[GridSearch, Tag("grid")]
    | Annotated[MOTPESearch, Tag("motpe")]
    | Annotated[NSGA2Search, Tag("nsga2")]
    | Annotated[RandomSearch, Tag("random")]
    | Annotated[SobolSearch, Tag("sobol")]
    | Annotated[TPESearch, Tag("tpe")]
    | Annotated[RaySearch, Tag("ray")],
    Discriminator(kind_of),
]
"""The settings of any searcher, or of a class of Ray Tune; `kind` says which."""
