"""Jobs of the tests of this folder."""

from typing import Any

from pipeline.space import LogUniform
from pipeline.study import Objective, TuneJob


def build(config: dict[str, Any]) -> None: ...


def callbacks(config: dict[str, Any]) -> list[Any]:
    return []


def stateful(config: dict[str, Any], state: Any) -> None: ...


def one_by_one(units: int, lr: float = 0.1) -> None: ...


def weights(config: dict[str, Any]) -> dict[int, float]:
    return {0: 1.0, 1: config["weight"]}


def unfreeze(model: Any, config: dict[str, Any]) -> None: ...


MODEL = {"model": build, "data": "mnist"}
FUNCTION = {"function": build, "model": None, "data": None}


def job(**fields: Any) -> TuneJob:
    space = {"lr": LogUniform(1e-4, 1), "units": 64}
    return TuneJob(
        **{"name": "a-job", **MODEL, "space": space, "objectives": Objective("val_accuracy", "max"), **fields}
    )
