import keras
import numpy as np
from keras import layers
from keras_tuner import HyperModel, RandomSearch


class MyHyperModel(HyperModel):
    def build(self, hp):
        model = keras.Sequential()
        model.add(keras.Input((12,)))
        model.add(layers.Dense(units=hp.Int("units", min_value=8, max_value=32, step=8), activation="relu"))
        model.add(layers.Dense(1))
        model.compile(optimizer="adam", loss="mse", metrics=["mae"])
        return model

    def fit(self, hp, model, x, y, *args, **kwargs):
        if hp.Boolean("normalize"):
            x = layers.Normalization()(x)
        return model.fit(x, y, *args, shuffle=hp.Boolean("shuffle"), batch_size=hp.Choice("batch", [16, 32]), **kwargs)


rng = np.random.default_rng(1)
x = rng.normal(size=(240, 12)).astype("float32")
y = x.sum(1, keepdims=True)
tuner = RandomSearch(MyHyperModel(), objective="val_loss", max_trials=3, overwrite=True, project_name="custom")
tuner.search(x[:200], y[:200], validation_data=(x[200:], y[200:]), epochs=3)
