from ray import tune


def train(config):
    tune.report({"loss": config["x"]})


param_space = {
    "x": tune.uniform(0, 1),
    "y": tune.sample_from(lambda spec: spec.config.x * 2),
    "z": tune.qloguniform(2, 100, 2),
}
