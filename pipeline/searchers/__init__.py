"""Searchers: which config is tried next."""

from typing import Annotated, TypeAlias

from pydantic import Field

from pipeline.searchers.base import SearcherSettings
from pipeline.searchers.grid import GridSearch
from pipeline.searchers.random import RandomSearch

__all__ = ["SEARCHERS", "AnySearcher", "GridSearch", "RandomSearch", "SearcherSettings"]

SEARCHERS: dict[str, type[SearcherSettings]] = {"grid": GridSearch, "random": RandomSearch}
"""Every searcher by the name the command line knows it by."""

AnySearcher: TypeAlias = Annotated[GridSearch | RandomSearch, Field(discriminator="kind")]
