"""Write the bytecode of the libraries that studies use, by importing them with the Python of their environment.

An image whose bytecode was written for every module is larger by a tenth, and pods cannot write any: they have a
read-only root.
"""

import importlib
import sys

MODULES = (
    "duckdb",
    "jinja2",
    "keras",
    "matplotlib.pyplot",
    "optuna",
    "pandas",
    "pyarrow.dataset",
    "pyarrow.parquet",
    "pydantic",
    "ray._private.workers.default_worker",
    "ray.autoscaler.v2.monitor",
    "ray.dashboard.agent",
    "ray.dashboard.dashboard",
    "ray.scripts.scripts",
    "ray.tune",
    "scipy.stats",
    "sklearn.model_selection",
    "starlette.applications",
    "tensorboardX",
    "tensorflow",
    "typer",
    "uvicorn",
)

if __name__ == "__main__":
    sys.dont_write_bytecode = False
    for name in MODULES:
        importlib.import_module(name)
