"""One epoch in steady state, compared with the floor: the same matrix products alone, in one tf.function."""

from collections.abc import Callable

from tests.benchmarks.figures import Figure, Measured, Options
from tests.benchmarks.sides import peer


def measure(options: Options, say: Callable[[str], None]) -> Measured:
    result = peer("floor", "--epochs", "3" if options.quick else str(10 * options.rounds)).result
    say(f"{result['ours']:.3f} s, floor {result['floor']:.3f} s")
    what = "seconds for one epoch in steady state; its matrix products alone"
    return Measured([Figure("epoch", what, result["ours"], result["floor"], most=2)], result["samples"])
