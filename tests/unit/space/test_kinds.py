"""Settings that `kind` identifies."""

from types import SimpleNamespace

import pytest
from pydantic import TypeAdapter, ValidationError

from pipeline.schedulers import ASHA, FIFO, RayScheduler
from pipeline.space.kinds import any_settings, kind_of, normalize


@pytest.mark.parametrize(
    ("settings", "kind"),
    [
        ({"kind": "asha"}, "asha"),
        ({"kind": "ray.tune.schedulers.ASHAScheduler"}, "ray"),
        (SimpleNamespace(kind="ray.tune.search.optuna.OptunaSearch"), "ray"),
        (SimpleNamespace(kind="random"), "random"),
        ({"kind": 3}, None),
        ({}, None),
        ("asha", None),
        (None, None),
    ],
)
def test_any_class_of_ray_is_of_one_kind(settings: object, kind: str | None) -> None:
    """Every class path that begins with `ray.` is of the kind `ray`; a value without a text `kind` has none."""
    assert kind_of(settings) == kind


def test_settings_beside_the_path_are_gathered() -> None:
    """Settings of a class may be next to `kind` or in `settings`; those next to `kind` override the others."""
    path = "ray.tune.schedulers.ASHAScheduler"
    gathered = {"kind": path, "settings": {"max_t": 9, "grace_period": 2}}
    assert normalize({"kind": path, "max_t": 9, "grace_period": 2}) == gathered
    assert normalize({"kind": path, "settings": {"max_t": 5, "grace_period": 2}, "max_t": 9}) == gathered


@pytest.mark.parametrize("value", [{"kind": "ray.x", "settings": {"a": 1}}, {"kind": "ray.x"}, {"settings": 3, "a": 1}])
def test_values_in_the_standard_form_are_unchanged(value: dict) -> None:
    """A value without settings next to the path, or whose `settings` are not an object, is not changed."""
    assert normalize(value) is value


def test_the_kind_says_which_settings_they_are() -> None:
    """JSON values become the settings of their kind, and class paths of Ray those of Ray; another kind is refused."""
    settings = TypeAdapter(any_settings({"asha": ASHA, "fifo": FIFO}, RayScheduler))
    assert settings.validate_python({"kind": "fifo"}) == FIFO()
    assert settings.validate_python({"kind": "asha", "grace_period": 2}) == ASHA(grace_period=2)
    path = "ray.tune.schedulers.MedianStoppingRule"
    assert settings.validate_python({"kind": path}) == RayScheduler(kind=path)
    with pytest.raises(ValidationError, match="'asha', 'fifo', 'ray'"):
        settings.validate_python({"kind": "median"})
