"""Studies to be simulated, and curves that a test writes down."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from pipeline.simulation.curves import Curve, CurveSource
from pipeline.space import Choice, Config, LogUniform, Switch, Uniform
from pipeline.study import Budget, Objective, TuneJob

SPACE = {
    "x": Uniform(0, 1),
    "lr": LogUniform(1e-4, 1),
    "kind": Choice(["a", "b", "c"]),
    "schedule": Switch({"constant": {}, "cyclic": {"period": Uniform(1, 9)}}),
}


def steps(config: Mapping[str, Any], state: Any) -> Iterator[tuple[dict[str, float], Any]]:
    while True:
        yield {"score": config["x"]}, state


def job(**fields: Any) -> TuneJob:
    given: dict[str, Any] = {
        "name": "simulated",
        "function": steps,
        "space": SPACE,
        "objectives": [Objective("score", "max")],
        "scheduler": "asha",
        "budget": Budget(trials=12, epochs=9),
        **fields,
    }
    return TuneJob(**given)


class Written(CurveSource):
    note = "Written down."

    def __init__(self, values: Callable[[int, int], list[float]], seconds: float = 1.0, **more: Any) -> None:
        self._values, self._seconds, self._more = values, seconds, more

    def curve(self, index: int, segment: int, config: Config) -> Curve:
        values = self._values(index, segment)
        fields = {"start": 0.0, "known": len(values), **self._more}
        return Curve(values=values, seconds=[self._seconds] * len(values), **fields)
