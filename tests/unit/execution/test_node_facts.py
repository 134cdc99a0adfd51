"""What a study records of a node."""

import json
import platform

from pipeline.execution.node_facts import PACKAGES, node_facts
from pipeline.execution.versions import installed


def test_a_node_is_recorded_with_its_machine_and_its_versions() -> None:
    """A node is recorded by its host's name with its machine and versions, as JSON values."""
    facts = json.loads(json.dumps(node_facts()))
    assert facts["host"] == platform.node()
    assert facts["cores"] > 0
    assert facts["versions"] == installed(PACKAGES)
