"""JSON files of any origin."""

import pytest

from pipeline.errors import StorageError
from pipeline.storage.documents import from_json


def test_json_is_read() -> None:
    """Objects, lists, numbers and text are read at the depth of anything that tunepipe writes."""
    assert from_json('{"a": [1, 2.5, "ö", null]}'.encode(), "it") == {"a": [1, 2.5, "ö", None]}
    assert from_json(b"[" * 100 + b"]" * 100, "it")


@pytest.mark.parametrize(
    ("content", "what"),
    [
        (b"", "Expecting value"),
        (b"\xff", "codec can't decode"),
        (b"[NaN]", "NaN is not a JSON number"),
        (b"[-Infinity]", "-Infinity is not a JSON number"),
        (b"9" * 5000, "4300 digits"),
        (b"[" * 101 + b"]" * 101, "nested more than 100 deep"),
        (b'{"a":' * 100_000, "recursion"),
    ],
)
def test_invalid_json_is_refused(content: bytes, what: str) -> None:
    """Invalid JSON is refused with the file's name, the reason and a remedy."""
    with pytest.raises(StorageError, match=rf"^it is not JSON: .*{what}.*Restore the file that tunepipe wrote\.$"):
        from_json(content, "it")
