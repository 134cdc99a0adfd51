"""Programs written for other libraries as jobs: KerasTuner, Ray Tune and Optuna, one package each.

None of these libraries is needed unless the program itself uses it.
"""

from pipeline.adapters.jobs import LIBRARIES, from_file, from_keras_tuner, from_optuna, from_ray_tune, left_to_changes

__all__ = ["LIBRARIES", "from_file", "from_keras_tuner", "from_optuna", "from_ray_tune", "left_to_changes"]
