"""A plain function as a learner: a dict of metrics for each step, and the state from which it continues.

A state is stored as JSON values and arrays, and nothing is pickled. Each value of it is an object with one key that
says what it is: `value` (a JSON value), `dict` (pairs), `list`, `tuple`, `set`, `array`, `scalar` and `bytes`
(positions among the arrays), `file` and `folder` (names and positions).
"""

import math
import time
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, suppress
from copy import deepcopy
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np

from pipeline.code.functions import takes_argument, takes_state
from pipeline.errors import DamagedFile, ModelError
from pipeline.space import Config
from pipeline.storage import Checkpoint
from pipeline.storage.checkpoints import is_storable
from pipeline.storage.files import write_local
from pipeline.storage.scratch import scratch
from pipeline.study.context import CONTINUED_FROM
from pipeline.training.base import ALLOWED, EpochResult, NotNumeric, TrainingEnded, as_number
from pipeline.training.process import generator_states, restore_generators, seed_globally, seeding_imports

_COLLECTIONS: dict[str, type[Any]] = {"list": list, "tuple": tuple, "set": set}


class FunctionLearner:
    """Runs `f(config)` or `f(config, state)`, which yields metrics or `(metrics, state)` for each step, or returns one.

    A function continues from the last state that it has yielded, and repeats the steps since then; without a state it
    is replayed from the first step. Its global random generators are seeded before it starts, and continue from where
    they were at a saved state.
    """

    def __init__(
        self, function: Callable[..., Any], config: Config, *, seed: int = 0, epochs: float = math.inf
    ) -> None:
        self._function, self._config, self._seed, self._epochs = function, deepcopy(dict(config)), seed, epochs
        self._takes_state = takes_state(function)
        self._steps: Iterator[Any] | None = None
        self._single = self._finished = False
        self._saved: Checkpoint | None = None
        """The last state that can be continued from."""
        self._generators: Mapping[str, Any] = {}
        self._files = ExitStack()
        self.model_epoch = 0
        self.trained_with: str | None = None

    def run_epoch(self) -> EpochResult:
        started = time.perf_counter()
        try:
            yielded = self._next()
        except StopIteration:
            if self.model_epoch:
                raise TrainingEnded from None
            raise ModelError(
                f"The function {self._function.__name__} ended before its first step; it must yield a dict of "
                "metrics for each epoch."
            ) from None
        where = f"The function {self._function.__name__}, at step {self.model_epoch + 1},"
        yielded, state = self._parted(yielded, where)
        metrics = _metrics(yielded, where)
        self.model_epoch += 1
        if state is not None:
            # At once: the next step may change it, or delete its folder.
            arrays: list[Any] = []
            header = {
                "state_epoch": self.model_epoch,
                "state": encoded(state, arrays),
                "generators": encoded(self._generators, arrays),
            }
            self._saved = Checkpoint(header, arrays)
        # A function that ends here may take further steps in a later session, with a larger budget.
        return EpochResult(metrics, None, 0.0, time.perf_counter() - started, 0.0, last=self._single)

    @property
    def unfinished(self) -> bool:
        """Whether it has taken the last step of its budget, and code may follow, which `finish` runs."""
        return self.model_epoch >= self._epochs and not self._finished and not self._single

    def finish(self) -> None:
        """Let the function go on after the last step of its budget, so that code after its loop runs; then end it."""
        self._finished = True
        with suppress(StopIteration):
            self._next()
            self._close_steps()

    def save(self) -> Checkpoint:
        saved = Checkpoint({}, []) if self._saved is None else self._saved
        return Checkpoint({**saved.header, "model_epoch": self.model_epoch}, saved.arrays)

    def load(self, checkpoint: Checkpoint, *, exploit: bool = False) -> None:
        header = checkpoint.header
        if has_state(checkpoint):
            self._saved, self.model_epoch = checkpoint, int(header["state_epoch"])
        elif exploit:
            raise ModelError(
                f"The function {self._function.__name__} has yielded no state that another trial could copy: "
                "define it as f(config, state), and let it yield (metrics, state)."
            )
        self._start(exploit=exploit)
        while not exploit and self.model_epoch < int(header["model_epoch"]):
            self.run_epoch()

    def close(self) -> None:
        with self._files:
            self._close_steps()

    def _close_steps(self) -> None:
        if (close := getattr(self._steps, "close", None)) is not None:
            close()

    def _next(self) -> Any:
        if self._steps is None:
            self._start()
        assert self._steps is not None
        restore_generators(self._generators)
        with seeding_imports(self._number):
            step = next(self._steps)
        self._generators = generator_states()
        return step

    def _start(self, *, exploit: bool = False) -> None:
        if not takes_argument(self._function):
            name = self._function.__name__
            raise ModelError(f"The function {name} must take the config: define it as {name}(config).")
        saved = self._saved
        state = None if saved is None else state_of(saved, folder=self._folder)
        seed_globally(self._number)
        if saved is not None and not exploit:
            restore_generators(decoded(saved.header["generators"], saved.arrays, folder=self._folder))
        self._generators = generator_states()
        if saved is not None and exploit:
            arrays = list(saved.arrays)
            self._saved = Checkpoint({**saved.header, "generators": encoded(self._generators, arrays)}, arrays)
        CONTINUED_FROM.set(self._epoch)
        with seeding_imports(self._number):
            # A function that is not a generator runs here.
            arguments = (deepcopy(self._config), state) if self._takes_state else (deepcopy(self._config),)
            self._steps = self._iterated(self._function(*arguments))

    @property
    def _number(self) -> int:
        """The seed of the global generators: another one where another trial's state is taken over."""
        return zlib.crc32(f"{self._seed} function {self._epoch}".encode())

    @property
    def _epoch(self) -> int:
        """The epoch of the saved state; 0 without one."""
        return 0 if self._saved is None else int(self._saved.header["state_epoch"])

    def _iterated(self, result: Any) -> Iterator[Any]:
        single = self._takes_state and isinstance(result, tuple)
        if isinstance(result, Mapping) or single:
            self._single = True
            return iter([result])
        if not isinstance(result, Iterable):
            raise ModelError(
                f"The function {self._function.__name__} returned {type(result).__name__}; it must yield a dict of "
                'metrics for each epoch, or return one, such as {"accuracy": 0.9}.'
            )
        return iter(result)

    def _folder(self) -> Path:
        return self._files.enter_context(scratch("state"))

    def _parted(self, yielded: Any, where: str) -> tuple[Any, Any]:
        """The metrics of a step, and its state; None without one."""
        if not isinstance(yielded, tuple) or len(yielded) != 2 or not isinstance(yielded[0], Mapping):
            return yielded, None
        if not self._takes_state:
            raise ModelError(
                f"{where} yields (metrics, state) but has no `state` parameter; define it as "
                f"{self._function.__name__}(config, state): state is None at first, and afterwards the last state that "
                "was saved."
            )
        return yielded


def _metrics(yielded: Any, where: str) -> dict[str, float]:
    """The metrics of a step by name; `where` names the function and the step."""
    if not isinstance(yielded, Mapping) or not yielded:
        raise ModelError(
            f"{where} yielded {type(yielded).__name__} {yielded!r:.80}; a dict of metric names and numbers is allowed."
        )
    metrics: dict[str, float] = {}
    for key, value in yielded.items():
        name = str(key)
        if not name.strip() or name in metrics or any(char == "\0" or "\ud800" <= char <= "\udfff" for char in name):
            raise ModelError(f"{where} yielded a metric with the name {key!r:.80}; each needs a name of its own.")
        try:
            metrics[name] = as_number(value)
        except NotNumeric as error:
            raise ModelError(f"{where} yielded {name} as {error}; {ALLOWED}.") from None
    return metrics


def has_state(checkpoint: Checkpoint) -> bool:
    """Whether a function's checkpoint holds a state: without one, the function is replayed from its first step."""
    return checkpoint.header.get("state") is not None


def state_of(checkpoint: Checkpoint, *, folder: Callable[[], Path]) -> Any:
    """The state that a function's checkpoint holds."""
    return decoded(checkpoint.header["state"], checkpoint.arrays, folder=folder)


# States as JSON values and arrays.


def encoded(value: Any, arrays: list[np.ndarray], *, values_only: bool = False) -> dict[str, Any]:
    """A value as JSON values; its arrays, and its files unless it has values only, are appended to `arrays`."""
    try:
        return _encoded(value, arrays, "state", values_only)
    except RecursionError:
        raise ModelError("The state contains itself, which cannot be saved.") from None


def decoded(tree: Mapping[str, Any], arrays: Sequence[np.ndarray], *, folder: Callable[[], Path]) -> Any:
    """The value that `encoded` returned; its files are written into the folder that `folder` makes."""
    try:
        return _decoded(tree, arrays, folder)
    except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as error:
        raise DamagedFile(f"A saved state cannot be read: {type(error).__name__}: {error}") from error


def _encoded(value: Any, arrays: list[np.ndarray], where: str, values_only: bool) -> dict[str, Any]:
    def inner(part: Any, place: Any) -> dict[str, Any]:
        return _encoded(part, arrays, f"{where}[{place!r}]", values_only)

    if _is_plain(value):
        return {"value": _plain(value)}
    if isinstance(value, Mapping):
        return {"dict": [[_key(key, where), inner(each, key)] for key, each in value.items()]}
    for name, kind in _COLLECTIONS.items():
        if isinstance(value, kind):
            # A set in an order that does not depend on the process.
            parts = sorted(value, key=lambda each: (type(each).__name__, repr(each))) if kind is set else value
            return {name: [inner(each, place) for place, each in enumerate(parts)]}
    if isinstance(value, bytes | bytearray):
        return {"bytes": _add(arrays, np.frombuffer(bytes(value), np.uint8))}
    if isinstance(value, Path) and not values_only:
        return _files(value, where, arrays)
    if (array := _array(value)) is not None:
        return {"scalar" if isinstance(value, np.generic) else "array": _add(arrays, array)}
    further = "" if values_only else ", and the Path of a folder or a file"
    raise ModelError(
        f"The {where} is an object of type {type(value).__name__}; a state is made of dicts, lists, tuples, sets, "
        f"numbers, text, None, arrays, bytes{further}."
    )


def _add(arrays: list[np.ndarray], array: np.ndarray) -> int:
    arrays.append(array)
    return len(arrays) - 1


def _files(path: Path, where: str, arrays: list[np.ndarray]) -> dict[str, Any]:
    if not path.exists():
        raise ModelError(f"The {where} is the path {path}, and there is no such folder or file.")
    entries = [path] if path.is_file() else sorted(path.rglob("*"))
    if links := [each for each in entries if each.is_symlink()]:
        raise ModelError(f"The {where} is a folder with a link, {links[0]}: only files and folders can be saved.")
    root = path.parent if path.is_file() else path
    files = [
        [each.relative_to(root).as_posix(), _add(arrays, np.frombuffer(each.read_bytes(), np.uint8))]
        for each in entries
        if each.is_file()
    ]
    return {"file": files[0]} if path.is_file() else {"folder": files, "name": path.absolute().name}


def _decoded(tree: Mapping[str, Any], arrays: Sequence[np.ndarray], folder: Callable[[], Path]) -> Any:
    def inner(parts: Sequence[Mapping[str, Any]]) -> list[Any]:
        return [_decoded(part, arrays, folder) for part in parts]

    kind, content = next(iter(tree.items()))
    if kind == "value":
        return content
    if kind == "dict":
        return dict(zip((key for key, _ in content), inner([part for _, part in content]), strict=True))
    if kind in _COLLECTIONS:
        return _COLLECTIONS[kind](inner(content))
    if kind == "array":
        return np.array(arrays[content])
    if kind == "scalar":
        return arrays[content][()]
    if kind == "bytes":
        return arrays[content].tobytes()
    if kind in ("file", "folder"):
        return _decoded_files(tree, arrays, folder())
    raise ValueError(f"there is no kind {kind!r}")


def _is_plain(value: Any) -> bool:
    return value is None or (isinstance(value, bool | int | float | str) and not isinstance(value, np.generic))


def _plain(value: Any) -> Any:
    """The value as Python's own type: a subclass, such as an enumeration, would come back as something else."""
    return next((kind(value) for kind in (bool, int, float, str) if isinstance(value, kind)), value)


def _key(key: Any, where: str) -> Any:
    if _is_plain(key):
        return _plain(key)
    raise ModelError(f"The {where} has the key {key!r:.60} of type {type(key).__name__}; keys must be text or numbers.")


def _array(value: Any) -> np.ndarray | None:
    """A copy of an array, a tensor or a variable; None for anything else."""
    if not hasattr(value, "__array__"):
        return None
    try:
        array = np.array(value.numpy() if hasattr(value, "numpy") else value)
    except Exception:  # such as a tensor of another device, or a ragged one
        return None
    return array if is_storable(array.dtype) else None


def _decoded_files(tree: Mapping[str, Any], arrays: Sequence[np.ndarray], parent: Path) -> Path:
    single = "file" in tree
    root = parent if single else _within(parent, tree["name"] or "state")
    # Files of two folders must not mix.
    root.mkdir(parents=True, exist_ok=single)
    written = root
    for name, place in [tree["file"]] if single else tree["folder"]:
        written = _within(root, name)
        write_local(written, [arrays[place].tobytes()])
    return written if single else root


def _within(folder: Path, name: str) -> Path:
    """The path of a file within a folder: a study may come from anyone."""
    path = PurePosixPath(name)
    if path.is_absolute() or ".." in path.parts or not path.parts or "\0" in name:
        raise ValueError(f"{name!r} is not the name of a file of a state")
    return folder / path
