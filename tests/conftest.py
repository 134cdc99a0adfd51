"""What all tests share: one Ray cluster for each process of the session."""

import logging
import os
from collections.abc import Iterator

import pytest
from hypothesis import settings

# The same examples every time, however slow the machine.
settings.register_profile("repeatable", derandomize=True, deadline=None)
settings.load_profile("repeatable")

# TensorFlow's own notes about the machine would drown what a failing test prints.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

# A test that names a bucket reaches no network: nothing listens at this address, and no other host is asked for keys.
os.environ["AWS_ENDPOINT_URL"] = "http://127.0.0.1:9"
os.environ["AWS_EC2_METADATA_DISABLED"] = "true"


@pytest.fixture(scope="session")
def ray_cluster() -> Iterator[str]:
    """A Ray cluster of two workers in this process; its address."""
    from pipeline.execution.ray.environment import ENVIRONMENT

    os.environ.update(ENVIRONMENT)
    import ray

    context = ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False, logging_level=logging.ERROR)
    yield context.address_info["gcs_address"]
    ray.shutdown()
