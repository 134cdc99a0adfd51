"""A searcher of Ray Tune, named by its class path; this package does not import Ray."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, ClassVar

from pydantic import Field

from pipeline.errors import Fault, InvalidJob
from pipeline.searchers.base import Observation, SearcherSettings
from pipeline.space import Config, OpenSettings, Switch, walk


@dataclass(frozen=True)
class RaySearch(SearcherSettings):
    """Any searcher of Ray Tune whose library is installed, for spaces without a Switch.

    Its state cannot be saved, so its study cannot be resumed. It learns of a trial when the trial has ended.

    Args:
        kind: The class's path: `ray.tune.search.optuna.OptunaSearch`.
        settings: The arguments of the class, by name. The study sets metric, mode and space, and the seed unless it is
            given.
    """

    resumes: ClassVar[bool] = False

    kind: Annotated[str, Field(strict=True, pattern=r"^ray\.tune\.search(\.[A-Za-z_]\w*)+$")]
    settings: OpenSettings = field(default_factory=dict)

    def faults(self, space: Mapping[str, Any]) -> list[Fault]:
        """Names the switches, which Ray's spaces do not have."""
        switches = [parameter.path for parameter in walk(space) if isinstance(parameter.domain, Switch)]
        if not switches:
            return []
        found = ", ".join(switches)
        allowed = f"Ray's searchers do not support Switch, and the space has {found}; random, sobol, tpe and gp do"
        return [Fault("searcher", self.kind, allowed)]

    def draw(
        self, space: Mapping[str, Any], *, seed: int, index: int, observations: Iterable[Observation] = ()
    ) -> Config:
        """Refuse to draw: only a study that trains can use Ray's classes.

        Raises:
            InvalidJob: Always; the driver uses the class itself.
        """
        allowed = "must be one of tunepipe's own searchers if nothing is trained: random, tpe, …"
        raise InvalidJob("the job", [Fault("searcher", self.kind, allowed)])
