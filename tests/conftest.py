"""What all tests share: one Ray cluster for the session, and what keeps them quick."""

import gc
import logging
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings

# The same examples every time, however slow the machine; more of them in `make test-all`.
EXAMPLES = 25 * int(os.environ.get("TUNEPIPE_FUZZ", "1"))
settings.register_profile("repeatable", derandomize=True, deadline=None, max_examples=EXAMPLES)
settings.load_profile("repeatable")

# TensorFlow's own notes about the machine would drown what a failing test prints.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

# A test that names a bucket reaches no network: nothing listens at this address, and no other host is asked for keys.
os.environ["AWS_ENDPOINT_URL"] = "http://127.0.0.1:9"
os.environ["AWS_EC2_METADATA_DISABLED"] = "true"


_ON_RAY = (
    "integration/test_function_study.py", "integration/test_keras_study.py", "integration/test_metrics.py",
    "integration/test_workers.py", "hostile/test_nothing_left.py",
)  # fmt: skip
"""The files whose tests start Ray."""


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Iterator[None]:
    """Collects thousands of tests, which all stay, without looking for garbage among them again and again."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.freeze()
        gc.enable()


@pytest.fixture(autouse=True, scope="module")
def _quick_collections() -> None:
    """Keeps what earlier modules have loaded out of collections of garbage, which Keras asks for with each model."""
    gc.collect()
    gc.freeze()


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """One of the processes gets all files that start Ray: it starts one cluster for them."""
    from xdist.scheduler import LoadFileScheduling

    class OneCluster(LoadFileScheduling):
        def _split_scope(self, nodeid: str) -> str:
            file = super()._split_scope(nodeid)
            return "ray" if file.endswith(_ON_RAY) else file

    return OneCluster(config, log) if config.getvalue("dist") == "loadfile" else None


@pytest.fixture(autouse=True, scope="session")
def _few_sources() -> Iterator[None]:
    """Copies of this repository only the modules of a study's functions, and not its hundreds of tests."""
    from pipeline.code import snapshot

    repository, whole = Path(__file__).parents[1], snapshot._snapshot  # noqa: SLF001  The rest of the module runs.

    def few(folders: Mapping[Path, Path], files: dict[str, bytes], *limit: int) -> snapshot.Snapshot:
        ours = repository in folders.values()
        return snapshot.Snapshot((repository,), files) if ours else whole(folders, files, *limit)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(snapshot, "_snapshot", few)
        yield


@pytest.fixture
def no_pictures(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leaves out the pictures of reports, which take seconds to draw, where a test is about something else."""
    monkeypatch.setattr("pipeline.results.report.page.sections", lambda *_: [])


@pytest.fixture(scope="session")
def ray_cluster() -> Iterator[str]:
    """A Ray cluster of two workers in this process; its address."""
    from pipeline.execution.ray.cluster import ENVIRONMENT

    os.environ.update(ENVIRONMENT)
    import ray

    context = ray.init("local", num_cpus=2, include_dashboard=False, log_to_driver=False, logging_level=logging.ERROR)
    yield context.address_info["gcs_address"]
    ray.shutdown()
