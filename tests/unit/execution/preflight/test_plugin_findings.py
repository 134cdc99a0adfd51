"""Whether the classes of Ray Tune that a job names can be used."""

from pipeline.execution.preflight.plugin_findings import plugins_finding
from tests.unit.execution.preflight.facts import job

ASHA = "ray.tune.schedulers.ASHAScheduler"
OPTUNA = "ray.tune.search.optuna.OptunaSearch"


def test_a_job_of_tunepipe_s_own_has_nothing_to_find() -> None:
    """A job with tunepipe's own scheduler and searcher has no finding and imports no class of Ray Tune."""
    assert plugins_finding(job()) is None


def test_classes_that_can_be_used_are_named() -> None:
    """The finding names the classes of Ray that can be used, and what their use loses."""
    found = plugins_finding(job(scheduler=ASHA, searcher=OPTUNA))
    assert found is not None
    assert (found.level, found.name) == ("ok", "classes")
    assert found.found == f"{ASHA} and {OPTUNA} can be used; they give no reasons for their decisions"


def test_all_classes_that_cannot_be_used_are_reported_together() -> None:
    """An unusable scheduler class does not hide the fault of the searcher class: both are reported."""
    found = plugins_finding(job(scheduler="ray.tune.schedulers.Nope", searcher="ray.tune.search.Nope"))
    assert found is not None
    assert found.level == "error"
    assert "scheduler: " in found.found
    assert "searcher: " in found.found
