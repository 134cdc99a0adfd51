"""Studies to be simulated, and curves that a test writes down."""

from collections.abc import Callable, Mapping
from typing import Any

from pipeline.simulation.curve_source import Curve, CurveSource
from pipeline.space import Choice, Config, LogUniform, Switch, Uniform
from pipeline.study import Budget, Objective, TuneJob
from tests.unit.execution.recorded_curves import steps

SPACE = {
    "x": Uniform(0, 1),
    "lr": LogUniform(1e-4, 1),
    "kind": Choice(["a", "b", "c"]),
    "schedule": Switch({"constant": {}, "cyclic": {"period": Uniform(1, 9)}}),
}


def job(**fields: Any) -> TuneJob:
    """A job of twelve trials of nine epochs; its model is never built."""
    given: dict[str, Any] = {
        "name": "simulated",
        "model": steps,
        "data": "digits",
        "space": SPACE,
        "objectives": [Objective("score", "max")],
        "scheduler": "asha",
        "budget": Budget(trials=12, epochs=9),
        **fields,
    }
    return TuneJob(**given)


class Written(CurveSource):
    """Curves as a test writes them."""

    def __init__(self, values: Callable[[int, int], list[float]], seconds: float = 1.0, **more: Any) -> None:
        self._values, self._seconds, self._more = values, seconds, more

    def curve(self, index: int, segment: int, config: Config) -> Curve:
        """The curve."""
        values = self._values(index, segment)
        fields = {"start": 0.0, "levels": values, "known": len(values), **self._more}
        return Curve(values=values, seconds=[self._seconds] * len(values), **fields)

    def description(self) -> Mapping[str, Any]:
        """A note."""
        return {"note": "Written down."}
