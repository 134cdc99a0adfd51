"""Names of files that are being written."""

import pytest

from pipeline.storage.temporary_names import temporary_name, unfinished


@pytest.mark.parametrize("name", ["a", "part-1.parquet", "é" * 120, "a\nb"])
def test_a_temporary_name_is_one_that_a_file_can_have(name: str) -> None:
    """Temporary names of a file differ, say whose they are, and are short enough for a file system."""
    one, other = temporary_name(name), temporary_name(name)
    assert one != other
    assert name.startswith(str(unfinished(one)))
    assert len(one.encode()) < 255


@pytest.mark.parametrize(
    ("path", "meant"),
    [
        (".writing-a-0a1b2c3d", "a"),
        ("epochs/.writing-part-1.parquet-1", "epochs/part-1.parquet"),
        ("a/.writing-b", None),
        ("a/writing-b-1", None),
        ("a/b", None),
    ],
)
def test_a_temporary_name_contains_its_file(path: str, meant: str | None) -> None:
    """A temporary file's name contains its file's name in any folder, and other names are not mistaken for one."""
    assert unfinished(path) == meant
