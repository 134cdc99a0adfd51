import keras
import kerastuner as kt
import numpy as np


class MyTuner(kt.tuners.BayesianOptimization):
    def run_trial(self, trial, *args, **kwargs):
        kwargs["batch_size"] = trial.hyperparameters.Int("batch_size", 32, 128, step=32)
        kwargs["epochs"] = trial.hyperparameters.Int("epochs", 2, 4)
        return super(MyTuner, self).run_trial(trial, *args, **kwargs)


def build_model(hp):
    model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(hp.Int("units", 2, 8, 2)), keras.layers.Dense(1)])
    model.compile("sgd", "mse")
    return model


rng = np.random.default_rng(0)
x = rng.normal(size=(160, 4)).astype("float32")
y = x.sum(1)
tuner = MyTuner(build_model, objective="val_loss", max_trials=3, directory="here", project_name="batch")
tuner.search(x, y, validation_split=0.2)
