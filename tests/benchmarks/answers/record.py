"""`python -m tests.benchmarks.answers.record [NAME…]`: train the configs of the studies and rewrite their tables."""

import argparse
import sys
import time
import zlib

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.space import draw
from tests.benchmarks.answers.studies import EPOCHS, STUDIES
from tests.benchmarks.answers.tables import FOLDER

_CEILING = 1e4
"""Losses of what diverges, so that they fit into 16 bits."""


def record(name: str) -> None:
    """Train the configs of one study, and write its table: a config is drawn from (name, number), a row its losses."""
    study, key = STUDIES[name], zlib.crc32(name.encode())
    losses = np.empty((study.configs, EPOCHS), np.float16)
    for number in range(study.configs):
        config = draw(study.space, np.random.default_rng([key, number]), number)
        with np.errstate(all="ignore"):
            found = [*study.learns(config, np.random.default_rng([key, number, 1]))]
        losses[number] = np.clip(np.nan_to_num(found, nan=_CEILING), -_CEILING, _CEILING)
    columns = {f"epoch_{epoch + 1}": losses[:, epoch] for epoch in range(EPOCHS)}
    FOLDER.mkdir(exist_ok=True)
    pq.write_table(
        pa.table(columns), FOLDER / f"{name}.parquet", compression="zstd", compression_level=19, use_dictionary=False
    )


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.answers.record", description=__doc__)
    parser.add_argument("names", nargs="*", help="these alone")
    for name in parser.parse_args().names or STUDIES:
        begun = time.process_time()
        record(name)
        print(f"{name}: {time.process_time() - begun:.0f} s of CPU", file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
