import keras
import keras_tuner as kt


def build(hp):
    model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(hp.Int("units", 4, 64, sampling="reverse_log"))])
    model.compile("sgd", "mse")
    return model


def build2(hp):
    hp.Float("Units", 0, 1)
    hp.Float("units", 0, 1)
