"""Ray Tune as its Keras example writes it: a function trainable, `fit` as it comes, one report an epoch, ASHA.

The example loads the data in each trial; here it comes by `tune.with_parameters`, which is faster. `--reuse-actors`
keeps the workers from trial to trial, and `--steps-per-execution 64` runs that many batches in one call of the graph.
"""

import argparse

from ray import tune
from ray.tune.schedulers import ASHAScheduler

from tests.benchmarks.peers import problem


def train(config, data, steps_per_execution):
    import keras

    class ProgressReport(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            tune.report({"val_accuracy": float(logs["val_accuracy"]), "loss": float(logs["loss"])})

    model = problem.network(config["lr"], config["momentum"], config["width"])
    model.steps_per_execution = steps_per_execution
    model.fit(**data, epochs=problem.EPOCHS, callbacks=[ProgressReport()])


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--reuse-actors", action="store_true")
    parser.add_argument("--steps-per-execution", type=int, default=1)
    arguments, _ = parser.parse_known_args()
    trainable = tune.with_parameters(train, data=problem.arrays(), steps_per_execution=arguments.steps_per_execution)
    tuner = tune.Tuner(
        tune.with_resources(trainable, {"cpu": 1}),
        param_space={
            "lr": tune.loguniform(*problem.LR),
            "momentum": tune.uniform(*problem.MOMENTUM),
            "width": tune.choice(problem.WIDTHS),
        },
        tune_config=tune.TuneConfig(
            metric="val_accuracy",
            mode="max",
            num_samples=problem.trials(),
            scheduler=ASHAScheduler(max_t=problem.EPOCHS, grace_period=1, reduction_factor=problem.FACTOR),
            reuse_actors=arguments.reuse_actors,
        ),
        run_config=tune.RunConfig(storage_path=None),
    )
    results = tuner.fit()
    epochs = sum(result.metrics["training_iteration"] for result in results if result.metrics)
    problem.tell(epochs=epochs, trials=len(results), best=results.get_best_result().metrics["val_accuracy"])


if __name__ == "__main__":
    main()
