"""The one choice that all configs without a model share."""

from collections.abc import Hashable, Sequence

from pipeline.space import Config, Value, key_of


def common_choice(failed: Sequence[Config], built: Sequence[Config]) -> tuple[str, Value] | None:
    """The choice that all failed configs share and no built one has; None unless there is exactly one."""
    shared = set.intersection(*(_choices(config) for config in failed)) if failed and built else set()
    distinct = shared.difference(*map(_choices, built))
    if len(distinct) != 1:
        return None
    ((name, _),) = distinct
    return name, failed[0][name]


def _choices(config: Config) -> set[tuple[str, Hashable]]:
    # A real number is hardly ever drawn twice: that it failed alone means nothing.
    return {(name, key_of(value)) for name, value in config.items() if not isinstance(value, float)}
