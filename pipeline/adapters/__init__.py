"""Programs written for KerasTuner, Ray Tune and Optuna as jobs. A library is needed only for its own programs."""

from pipeline.adapters.jobs import (
    LIBRARIES,
    adapted,
    from_file,
    from_keras_tuner,
    from_optuna,
    from_ray_tune,
    left_to_changes,
)

__all__ = ["LIBRARIES", "adapted", "from_file", "from_keras_tuner", "from_optuna", "from_ray_tune", "left_to_changes"]
