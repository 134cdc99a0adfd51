"""A study's pictures in a real kernel."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from jupyter_client.blocking import BlockingKernelClient
from jupyter_client.manager import start_new_kernel

from tests.unit.results.studies import asha_study

pytestmark = pytest.mark.long

_SECONDS = 200.0


@pytest.fixture
def kernel() -> Iterator[BlockingKernelClient]:
    """A new kernel."""
    manager, client = start_new_kernel(startup_timeout=_SECONDS, kernel_name="python3")
    yield client
    client.stop_channels()
    manager.shutdown_kernel(now=True)


def test_a_study_is_shown_below_the_cell(kernel: BlockingKernelClient, tmp_path: Path) -> None:
    """The cell's output has the study's pictures."""
    kernel.execute(f"import pipeline\npipeline.show({asha_study(tmp_path).store.uri!r})")
    while (message := kernel.get_iopub_msg(timeout=_SECONDS))["msg_type"] != "display_data":
        assert message["msg_type"] != "error", message["content"]["traceback"]
    shown = message["content"]["data"]["text/html"]
    assert "<svg" in shown
    assert "mnist-asha  finished" in shown
