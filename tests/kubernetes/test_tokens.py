"""Tokens of the Kubernetes API, which users' code on a head must not have."""

import pytest

from tests.kubernetes.testbed.control_plane import kubectl
from tests.kubernetes.user import HEAD, NAMESPACE, SLOW_STUDY, WORKERS, Following, readable_tokens, running, tunepipe

pytestmark = pytest.mark.usefixtures("gone")


def test_users_code_on_a_head_has_no_token(tmp_path):
    """While a study trains on workers that the autoscaler requested, only the autoscaler's container reads a token."""
    assert running(WORKERS) == []
    study = Following(tmp_path, *SLOW_STUDY)
    study.until("two workers", lambda: len(running(WORKERS)) == 2)
    study.until("a trial to train", lambda: study.has_trained)
    (head,) = running(HEAD)
    processes = kubectl("exec", "-n", NAMESPACE, head, "-c", "ray-head", "--", "sh", "-c", "cat /proc/[0-9]*/cmdline")
    assert "kuberay-autoscaler" in processes
    assert readable_tokens(head, "ray-head") == []
    assert "/" in readable_tokens(head, "autoscaler")
    (worker, _) = running(WORKERS)
    assert readable_tokens(worker, "ray-worker") == []
    tunepipe("stop", "slow-study", "--kubernetes")
