"""A table in two forms: as Arrow has read it, and as a pandas frame. Each is made when it is first asked for.

Pandas takes longer to import than a leaderboard takes to compute.
"""

import sys
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, TypeVar, Union

import pyarrow as pa

from pipeline.results.light_imports import light_imports

if TYPE_CHECKING:
    import pandas as pd


_Class = TypeVar("_Class", bound=type)

_MAYBE_EMPTY = ("best_epoch", "rung", "parent_epoch")


class ArrowOrFrame:
    """A table."""

    __slots__ = ("_frame", "_shared", "_table")

    def __init__(self, given: Union[pa.Table, "pd.DataFrame"]) -> None:
        arrow = isinstance(given, pa.Table)
        self._table: Any = given if arrow else None
        self._frame: Any = None if arrow else given
        self._shared: Any = None

    @property
    def table(self) -> pa.Table:
        """The Arrow table; its rows have the order of the frame's."""
        if self._table is None:
            self._table = pa.Table.from_pandas(self._frame, preserve_index=False)
        table: pa.Table = self._table
        return table

    @property
    def frame(self) -> "pd.DataFrame":
        """The frame, always the same one."""
        if self._frame is None:
            # Arrow's memory is read-only. Pandas copies what two frames share before it changes a value of one.
            self._shared = _frame(self._table)
            self._frame = self._shared.copy(deep=False)
        frame: pd.DataFrame = self._frame
        return frame

    def columns(self, names: Sequence[str]) -> "pd.DataFrame":
        """Some columns of the frame, which need not be made for them."""
        return self._frame[list(names)] if self._frame is not None else _frame(self._table.select(list(names)))


def postpone_pandas() -> None:
    """Keep PyArrow from importing pandas before there is a frame.

    PyArrow looks for pandas once, at the first list that it converts, to recognise frames among values. Here it finds
    none; `to_pandas` imports it in any case, and PyArrow recognises frames from then on. This is for a command: a
    process in which every frame comes from an Arrow table.
    """
    if "pandas" in sys.modules:
        return
    with light_imports(hidden=["pandas"]):
        pa.array([])


def frames_on_demand(*names: str) -> Callable[[_Class], _Class]:
    """Decorate a dataclass with slots: some of its fields take a table in either form, and give a frame."""

    def decorate(decorated: _Class) -> _Class:
        for name in names:
            setattr(decorated, name, _OnDemand(decorated.__dict__[name]))
        return decorated

    return decorate


class _OnDemand:
    """A field that is stored in a slot as `ArrowOrFrame`."""

    def __init__(self, slot: Any) -> None:
        self._slot = slot

    def __get__(self, holder: Any, owner: Any = None) -> Any:
        return self if holder is None else self.forms(holder).frame

    def __set__(self, holder: Any, given: Any) -> None:
        self._slot.__set__(holder, given if isinstance(given, ArrowOrFrame) else ArrowOrFrame(given))

    def forms(self, holder: Any) -> ArrowOrFrame:
        forms: ArrowOrFrame = self._slot.__get__(holder)
        return forms


def _frame(table: pa.Table) -> "pd.DataFrame":
    # As blocks of one column each, which are not copied where Arrow's memory can be shared.
    frame: pd.DataFrame = table.to_pandas(split_blocks=True)
    # Pandas would make floats of whole numbers that some trials do not have.
    gaps = [f.name for f in table.schema if pa.types.is_integer(f.type) and table[f.name].null_count]
    return frame.astype({name: "Int64" for name in {*_MAYBE_EMPTY, *gaps} if name in frame.columns})
