"""What goes wrong with a RayJob because of KubeRay's operator."""

from pipeline.cluster.operator_diagnostics import absent_operator
from tests.unit.cluster.kubernetes_server import rayjob


def test_an_operator_that_processes_nothing_is_absent() -> None:
    """A RayJob without a status after 45 s has no operator, and the message has the time, the RayJob and namespace."""
    reported = absent_operator(rayjob(), 46.0)
    assert reported is not None
    assert reported.startswith(
        "No operator has started the RayJob 's-1' in 46 s: the KubeRay operator does not run, or does not watch the "
        "namespace 'tunepipe'. "
    )
    assert absent_operator(rayjob(), 45.0) is None


def test_a_processed_or_suspended_rayjob_has_an_operator() -> None:
    """A RayJob with a status, and one that a queue suspends, do not show that the operator is absent."""
    suspended = rayjob()
    suspended["spec"]["suspend"] = True
    assert absent_operator(rayjob("Initializing"), 1000.0) is None
    assert absent_operator(suspended, 1000.0) is None
