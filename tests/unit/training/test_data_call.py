"""The current call of a data function, and the keys of the parts that it shares."""

import pytest

from pipeline.datasets import RecordedConfig, SharedPart
from pipeline.errors import DataError
from pipeline.training.data_call import current_call, in_data_call

_PART = SharedPart("train", "int64", 8, 64)


def _key(part: SharedPart = _PART, *reads: str, **config: object) -> str:
    with in_data_call(RecordedConfig(config), None) as call:
        for name in reads:
            call.config.get(name)
        return call.add(part)


def test_a_call_is_current_while_it_runs() -> None:
    """A call of a data function is the current one while it runs, and before and after there is none."""
    assert current_call() is None
    with in_data_call(None, None) as call:
        assert current_call() is call
        call.add(_PART)
        assert call.parts == {"train": _PART}
    assert current_call() is None


def test_a_key_depends_on_what_was_read_of_the_config() -> None:
    """Configs share a part only if they differ in no parameter that was read before it."""
    assert _key(_PART, "size", size=8, lr=0.1) == _key(_PART, "size", size=8, lr=0.2)
    assert _key(_PART, "size", size=8) != _key(_PART, "size", size=9)
    assert _key(_PART, "size", "crop", size=8) != _key(_PART, "size", "crop", size=8, crop=2)
    assert _key(_PART, "size", size=1) != _key(_PART, "size", size=True)


def test_a_key_depends_on_the_part() -> None:
    """Parts with different names, elements or lengths have different keys."""
    parts = [
        _PART,
        SharedPart("test", "int64", 8, 64),
        SharedPart("train", "int32", 8, 64),
        SharedPart("train", "int64", 9, 72),
    ]
    assert len({_key(part) for part in parts}) == 4


def test_a_name_is_used_once() -> None:
    """A second part with the same name in one call is refused."""
    with in_data_call(None, None) as call:
        call.add(_PART)
        with pytest.raises(DataError, match=r"uses shared_cache\('train'\) twice"):
            call.add(SharedPart("train", "int32", 8, 32))
