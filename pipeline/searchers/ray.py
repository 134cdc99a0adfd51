"""A searcher of Ray Tune's, by its class path: only named here, since nothing in this room knows Ray."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, ClassVar

from pydantic import Field

from pipeline.errors import Fault, InvalidJob
from pipeline.searchers.base import SearcherSettings, Tried
from pipeline.space import Config, Switch, walk
from pipeline.space.elsewhere import OpenSettings

__all__ = ["RaySearch"]


@dataclass(frozen=True)
class RaySearch(SearcherSettings):
    """Any searcher of Ray Tune's of which the library is installed, for spaces without a Switch.

    What it knows cannot be saved: its study is not resumed. It hears of a trial when that has ended.

    Args:
        kind: The class's path: `ray.tune.search.optuna.OptunaSearch`.
        settings: What its class takes, by name. Metric, mode and space are set by the study, and so is the seed unless
            it is given.
    """

    resumes: ClassVar[bool] = False

    kind: Annotated[str, Field(strict=True, pattern=r"^ray\.tune\.search(\.[A-Za-z_]\w*)+$")]
    settings: OpenSettings = field(default_factory=dict)

    def fault(self, space: Mapping[str, Any]) -> str | None:
        """Names the switches: Ray's spaces know none."""
        switches = [place.path for place in walk(space) if isinstance(place.domain, Switch)]
        if not switches:
            return None
        return f"searchers of Ray's know no Switch, and there is {', '.join(switches)}; random, sobol, tpe and gp do"

    def draw(self, space: Mapping[str, Any], *, seed: int, index: int, tried: Iterable[Tried] = ()) -> Config:
        """Nothing, where there is no Ray.

        Raises:
            InvalidJob: Always; who trains asks the class itself.
        """
        allowed = "must be a searcher of tunepipe's own where nothing is trained: random, tpe, …"
        raise InvalidJob("the job", [Fault("searcher", self.kind, allowed)])
