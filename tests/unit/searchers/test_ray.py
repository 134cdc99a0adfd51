"""A searcher of Ray Tune, named by its path; nothing here imports Ray."""

import pytest
from pydantic import TypeAdapter, ValidationError

from pipeline.errors import InvalidJob
from pipeline.searchers import AnySearcher
from pipeline.searchers.ray import RaySearch
from pipeline.space import Switch, Uniform

PATH = "ray.tune.search.optuna.OptunaSearch"


def test_a_path_is_a_searcher() -> None:
    """A path names a searcher of Ray Tune, whose study cannot be resumed."""
    settings = TypeAdapter(AnySearcher).validate_python({"kind": PATH, "settings": {"n": 3}})
    assert settings == RaySearch(PATH, {"n": 3})
    assert not settings.resumes


@pytest.mark.parametrize("path", ["ray.tune.schedulers.ASHAScheduler", "ray.tune.search", f"{PATH}()", "os.system"])
def test_other_paths_are_refused(path: str) -> None:
    """A searcher's path outside of ray.tune.search is refused."""
    with pytest.raises(ValidationError):
        TypeAdapter(AnySearcher).validate_python({"kind": path})


def test_a_switch_is_refused_by_its_path() -> None:
    """A searcher of Ray Tune refuses a space with switches and names all of them, inner ones too."""
    inner = Switch({"b": {}, "c": {}})
    (fault,) = RaySearch(PATH).faults({"s": Switch({"a": {"t": inner}}), "x": Uniform(0, 1)})
    assert "the space has s, s.a.t;" in fault.allowed
    assert RaySearch(PATH).faults({"x": Uniform(0, 1)}) == []


def test_it_draws_nothing_where_nothing_trains() -> None:
    """A simulation with a searcher of Ray Tune is refused with the field and the alternative."""
    with pytest.raises(InvalidJob, match="searcher: must be one of tunepipe's own searchers if nothing is trained"):
        RaySearch(PATH).draw({}, seed=0, index=0)
