"""Functions without a file are distinguished by their behaviour."""

import types
from typing import Any

import numpy as np
import pytest

from pipeline.study.bytecode import bytecode_digest

NOTEBOOK = """
import enum
import functools
import math
from dataclasses import dataclass
SIZE = 4
WEIGHTS = np.arange(3)

@dataclass
class Settings:
    units: int

class Kind(enum.Enum):
    PLAIN = "plain"

SETTINGS = Settings(units=8)
POWER = functools.partial(pow, exp=2)

@functools.lru_cache
def cached(x):
    return x + 1.5

class Layer:
    factor = 2

    def call(self, x):
        return x * self.factor

def helper(x):
    return Layer().call(x) + SIZE

def model(config, *, scale=1.0):
    others = [SETTINGS.units, POWER(3), cached(2), Kind.PLAIN.value]
    return [helper(each) for each in WEIGHTS] + [math.pi, scale, config["lr"], *others]
"""


def typed(text: str = NOTEBOOK) -> Any:
    """The function `model` of a notebook."""
    namespace: dict[str, Any] = {"__name__": "__main__", "np": np}
    exec(compile(text, "<cell>", "exec"), namespace)
    return namespace["model"]


def test_the_same_cells_give_the_same_digest():
    """Entering a cell again, with other comments, layout or unused definitions, keeps the digest."""
    again = "\n# Classes stand on other lines.\n" + NOTEBOOK.replace("SIZE = 4", "# four\n\nSIZE = 4").replace(
        "x * self", "(x *\n                self"
    )
    again = again.replace("self.factor\n", "self.factor)\n") + "\nOTHER = 1\n"
    assert bytecode_digest(typed()) == bytecode_digest(typed(again))


def test_any_change_of_behaviour_changes_the_digest():
    """Changes to code, defaults, helpers, methods, classes, globals and called modules change the digest."""
    changes = [
        ("scale=1.0", "scale=2.0"),
        ('config["lr"]', 'config["rate"]'),
        ("+ SIZE", "- SIZE"),
        ("SIZE = 4", "SIZE = 5"),
        ("factor = 2", "factor = 3"),
        ("x * self", "x / self"),
        ("arange(3)", "arange(4)"),
        ("math.pi", "math.tau"),
        ("units=8", "units=9"),
        ("exp=2", "exp=3"),
        ("x + 1.5", "x + 2.5"),
        ('PLAIN = "plain"', 'PLAIN = "other"'),
    ]
    digests = {bytecode_digest(typed(NOTEBOOK.replace(*change))) for change in changes}
    assert len(digests | {bytecode_digest(typed())}) == len(changes) + 1


ARGUMENTS = """
import argparse
def main():
    arguments = argparse.Namespace(width=3, trials=2)
    def model(config):
        return [arguments.width for _ in range(2)]
    return model
model = main()
"""


def test_parsed_arguments_that_a_function_reads_are_compared():
    """A parsed argument that a function reads changes the digest, and another argument does not."""
    of_module = "import argparse\narguments = argparse.Namespace(width=3, trials=2)\n"
    of_module += "def model(config):\n    return arguments.width\n"
    for text in (ARGUMENTS, of_module):
        before = bytecode_digest(typed(text))
        assert bytecode_digest(typed(text.replace("width=3", "width=4"))) != before
        assert bytecode_digest(typed(text.replace("trials=2", "trials=3"))) == before


@pytest.mark.parametrize(
    "uses",
    [
        "def build(a):\n    return a.width\ndef model(config):\n    return build(arguments)\n",
        "def model(config):\n    return vars(arguments)['width']\n",
        "def model(config):\n    return arguments.__dict__['width']\n",
        "def model(config, args=arguments):\n    return args.width\n",
        "settings = {'arguments': arguments}\ndef model(config):\n    return settings['arguments'].width\n",
    ],
)
def test_parsed_arguments_that_are_passed_on_are_compared(uses):
    """Parsed arguments that a function uses in another way than by their names change the digest."""
    text = "import argparse\narguments = argparse.Namespace(width=3, trials=2)\n" + uses
    assert bytecode_digest(typed(text)) == bytecode_digest(typed(text))
    assert bytecode_digest(typed(text)) != bytecode_digest(typed(text.replace("width=3", "width=4")))


def test_functions_that_call_each_other_have_a_digest():
    """Recursive functions have a digest."""
    text = "def model(n):\n    return other(n)\n\ndef other(n):\n    return model(n - 1) if n else {frozenset('ab')}\n"
    assert bytecode_digest(typed(text)) == bytecode_digest(typed(text))


def test_names_that_a_function_binds_itself_are_no_globals():
    """A later cell that binds a name a function imports, assigns or reads as an attribute keeps its digest."""
    text = (
        "def model(config):\n    import keras\n"
        "    rate = config.size\n    class Layer:\n        units = rate\n    return keras, Layer\n"
    )
    later = "\nimport math as keras\nrate = 1\nsize = 2\nunits = 3\nLayer = 4\n"
    assert bytecode_digest(typed(text)) == bytecode_digest(typed(text + later))
    read = text.replace("import keras", "pass")
    assert bytecode_digest(typed(read)) != bytecode_digest(typed(read + later))


DISPATCHED = """
import functools

@functools.singledispatch
def size(value):
    return 1

@size.register
def _(value: str):
    return 2

class Layer:
    @functools.singledispatchmethod
    def units(self, value):
        return 3

    @units.register
    def _(self, value: str):
        return 4

def model(config):
    return size(config["lr"]) + Layer().units("a")
"""


def test_functions_that_dispatch_by_class_count_with_all_their_functions():
    """A changed function behind a singledispatch function or method changes the digest; a call of it does not."""
    function = typed(DISPATCHED)
    before = bytecode_digest(function)
    function({"lr": 1})
    assert bytecode_digest(function) == before == bytecode_digest(typed(DISPATCHED))
    for number in ("1", "2", "3", "4"):
        assert bytecode_digest(typed(DISPATCHED.replace(f"return {number}", "return 5"))) != before


_METHOD = """
class Trial:
    def __init__(self, units):
        self.units = units

    def size(self):
        return self.units * 2

    def model(self, config):
        return self.size()

model = Trial(4).model
"""


def test_a_method_is_compared_with_what_its_object_is():
    """A method of a notebook's object has another digest where another method or an attribute of the object differs."""
    texts = [_METHOD, _METHOD.replace("* 2", "* 3"), _METHOD.replace("Trial(4)", "Trial(5)")]
    assert len({bytecode_digest(typed(text)) for text in texts}) == len(texts)
    assert bytecode_digest(typed(_METHOD)) == bytecode_digest(typed(_METHOD + "\n"))


def test_a_module_that_loads_itself_at_its_first_use_stays_the_same():
    """The digest is equal before TensorFlow's lazy module loads, afterwards, and where an import replaced it."""

    class Lazy(types.ModuleType):
        """As TensorFlow's."""

    lazy = Lazy("keras")
    namespace: dict[str, Any] = {"__name__": "__main__", "keras": lazy}
    exec(compile("def model(config):\n    return keras.Model", "<cell>", "exec"), namespace)
    before = bytecode_digest(namespace["model"])
    lazy.__name__ = "keras._tf_keras.keras"
    assert bytecode_digest(namespace["model"]) == before
    namespace["keras"] = types.ModuleType("keras._tf_keras.keras")
    assert bytecode_digest(namespace["model"]) == before
    namespace["keras"] = types.ModuleType("keras._tf_keras.keras.layers")
    assert bytecode_digest(namespace["model"]) != before


def test_an_object_that_was_sent_to_workers_stays_the_same():
    """Pickling an object adds a member to its class, which is no other behaviour."""
    method = typed(_METHOD)
    before = bytecode_digest(method)
    method.__self__.__reduce_ex__(2)
    assert "__slotnames__" in vars(type(method.__self__))
    assert bytecode_digest(method) == before
