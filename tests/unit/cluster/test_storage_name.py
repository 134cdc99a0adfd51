"""The name of a storage."""

import pytest

from pipeline.cluster.storage_name import without_slash


@pytest.mark.parametrize(
    ("storage", "same"),
    [
        ("s3://b/x/", "s3://b/x"),
        ("s3://b/x/?region=a/", "s3://b/x?region=a/"),
        ("/mnt/a/", "/mnt/a"),
        ("/mnt/a?/", "/mnt/a?"),
        ("/", "/"),
    ],
)
def test_a_slash_at_its_end_is_left_out(storage: str, same: str) -> None:
    """The slash at the end of a folder, or before the options of a URI, is left out; that of the root stays."""
    assert without_slash(storage) == without_slash(same) == same
