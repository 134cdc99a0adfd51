import keras
from keras_tuner import HyperParameters


def build_recurrent(hp: HyperParameters):
    with hp.name_scope("rnn"):
        units = hp.Int("units", 4, 16, sampling="log")
        kind = hp.Choice("cell", ["lstm", "gru"])
    layer = keras.layers.LSTM if kind == "lstm" else keras.layers.GRU
    model = keras.Sequential([keras.Input((4, 3)), layer(units), keras.layers.Dense(1)])
    rate = hp.Choice("learning_rate", [1e-2, 1e-3])
    model.compile(keras.optimizers.Adam(rate), "mse", metrics=["mae"])
    return model
