"""A scheduler of Ray Tune, named by its path; nothing here imports Ray."""

import pytest
from pydantic import TypeAdapter, ValidationError

from pipeline.errors import InvalidJob
from pipeline.schedulers import AnyScheduler, SchedulerContext
from pipeline.schedulers.ray import RayScheduler

PATH = "ray.tune.schedulers.MedianStoppingRule"


def test_a_path_is_a_scheduler() -> None:
    """A path names a scheduler of Ray Tune, which gets every epoch and whose study cannot be resumed."""
    settings = TypeAdapter(AnyScheduler).validate_python({"kind": PATH, "settings": {"grace_period": 3}})
    assert settings == RayScheduler(PATH, {"grace_period": 3})
    assert settings.next_milestone(4, 9) == 5
    assert not settings.resumes


@pytest.mark.parametrize(
    "path", ["ray.tune.search.optuna.OptunaSearch", "ray.tune.schedulers", f"{PATH}()", "os.system"]
)
def test_other_paths_are_refused(path: str) -> None:
    """A scheduler's path outside of ray.tune.schedulers is refused."""
    with pytest.raises(ValidationError):
        TypeAdapter(AnyScheduler).validate_python({"kind": path})


def test_it_decides_nothing_where_nothing_trains() -> None:
    """A simulation with a scheduler of Ray Tune is refused with the field and the alternative."""
    with pytest.raises(InvalidJob, match=r"scheduler: must be one of tunepipe's own schedulers if nothing is trained"):
        RayScheduler(PATH).build(SchedulerContext({}, "max", 8, 2, 0))
