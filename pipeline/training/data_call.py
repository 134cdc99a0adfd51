"""The call of a data function in which code runs: `shared_cache` finds the config and the folder of caches there."""

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field

from pipeline.datasets import ConfigReads, RecordedConfig, SharedPart
from pipeline.errors import DataError
from pipeline.space import key_of
from pipeline.storage.shared_folder import SharedFolder


@dataclass(slots=True)
class DataCall:
    """A call of a data function."""

    config: RecordedConfig | None
    caches: SharedFolder | None
    parts: dict[str, SharedPart] = field(default_factory=dict)

    @property
    def reads(self) -> ConfigReads:
        """What the function has read of the config so far."""
        return ConfigReads() if self.config is None else self.config.reads

    def add(self, part: SharedPart) -> str:
        """Record a part."""
        if part.name in self.parts:
            raise DataError(
                f"The data function uses shared_cache({part.name!r}) twice. Each part that is shared needs a name of "
                "its own."
            )
        self.parts[part.name] = part
        values = sorted((name, key_of(value)) for name, value in self.reads.values.items())
        content = repr((part, values, sorted(self.reads.absent)))
        return hashlib.sha256(content.encode()).hexdigest()[:16]


_CALL: ContextVar[DataCall | None] = ContextVar("tunepipe_data_call", default=None)


def current_call() -> DataCall | None:
    """The call of a data function in which this code runs; None outside of one."""
    return _CALL.get()


@contextmanager
def in_data_call(config: RecordedConfig | None, caches: SharedFolder | None) -> Iterator[DataCall]:
    """Call a data function within the context."""
    call = DataCall(config, caches)
    token = _CALL.set(call)
    try:
        yield call
    finally:
        _CALL.reset(token)
