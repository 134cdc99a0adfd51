"""Programs written for KerasTuner, Ray Tune and Optuna as jobs. A library is needed only for its own programs."""

from pipeline.adapters.jobs import LIBRARIES, adapted, from_program

__all__ = ["LIBRARIES", "adapted", "from_program"]
