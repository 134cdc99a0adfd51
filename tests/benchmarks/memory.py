"""A worker's memory after 200 trials, compared with that after 20."""

from collections.abc import Callable

from tests.benchmarks.figures import Figure, Measured, Options
from tests.benchmarks.sides import peer


def measure(options: Options, say: Callable[[str], None]) -> Measured:
    early, late = (4, 8) if options.quick else (20, 200)
    result = peer("long_worker", "--trials", str(late)).result
    megabytes = {int(count): value for count, value in result["megabytes"].items()}
    say(f"{megabytes[early]:.0f} MB after {early} trials, {megabytes[late]:.0f} MB after {late}")
    what = f"a worker's memory after {late} trials; after {early}"
    figure = Figure("memory", what, megabytes[late], megabytes[early], "MB", megabytes[late] / megabytes[early])
    return Measured([figure], {"megabytes": megabytes})
