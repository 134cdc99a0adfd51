from ray import tune


def train(config):
    tune.report({"loss": config["x"]})


param_space = {
    "x": tune.uniform(0, 1),
    "y": [tune.uniform(0, 1), 3],
    "z": tune.qloguniform(2, 100, 2),
    "f": tune.sample_from(lambda spec: spec.config.x * 2),
}
tune.run(train, config=param_space, metric="loss", mode="min")
