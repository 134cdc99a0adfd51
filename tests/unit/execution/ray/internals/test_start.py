"""What tunepipe changes in the start of Ray."""

import os
import signal
import subprocess
import sys

import psutil
import pytest

from pipeline.execution.ray import internals


def test_ray_does_not_take_sigterm_for_itself() -> None:
    """Within the context, Ray's handler of SIGTERM is not set; after it, Ray's function is as before."""
    from ray._private import utils

    before, handler = utils.set_sigterm_handler, signal.getsignal(signal.SIGTERM)
    with internals.signals_left_alone():
        utils.set_sigterm_handler(lambda *_: None)
        assert signal.getsignal(signal.SIGTERM) is handler
    assert utils.set_sigterm_handler is before


def test_rays_processes_heed_no_sigterm_and_end_with_what_they_started() -> None:
    """Within the context, Ray's processes are in their own groups and survive SIGTERM; Ray still ends them."""
    from ray._private import services

    before = services.ConsolePopen
    with internals.signals_kept_from_ray():
        shell = ["sh", "-c", "sleep 600 & echo; wait"]
        process = services.ConsolePopen(shell, preexec_fn=lambda: os.nice(1), stdout=subprocess.PIPE)
    assert services.ConsolePopen is before
    assert process.stdout is not None
    process.stdout.readline()
    (child,) = psutil.Process(process.pid).children()
    assert os.getpgid(process.pid) == process.pid
    for each in (process, child):
        each.send_signal(signal.SIGTERM)
    assert psutil.Process(process.pid).nice() == psutil.Process().nice() + 1
    assert child.is_running()
    process.terminate()
    assert process.wait(timeout=60) == -signal.SIGKILL
    psutil.wait_procs([child], timeout=60)
    assert not child.is_running()
    # Ray ends what has ended already, too.
    process.terminate()


def test_without_rays_function_ray_itself_looks_for_a_cluster(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Without the module that finds a cluster on this machine, the address stays `auto`, and a message says so."""
    monkeypatch.setitem(sys.modules, "ray._private.services", None)
    assert internals.local_address() == "auto"
    assert "canonicalize_bootstrap_address: Ray itself looks for the cluster" in capsys.readouterr().err
