import os, json, tempfile, random
from ray import tune
from ray.tune import Checkpoint
from ray.tune.schedulers import PopulationBasedTraining


def train_fn(config):
    step, value = 0, 0.0
    ckpt = tune.get_checkpoint()
    if ckpt:
        with ckpt.as_directory() as d, open(os.path.join(d, "s.json")) as f:
            saved = json.load(f)
            step, value = saved["step"], saved["value"]
    print("starting at", step, tune.get_context().get_trial_id())
    while True:
        step += 1
        value += config["lr"] * random.random()
        ckpt = None
        with tempfile.TemporaryDirectory() as d:
            if step % config["every"] == 0:
                with open(os.path.join(d, "s.json"), "w") as f:
                    json.dump({"step": step, "value": value}, f)
                ckpt = Checkpoint.from_directory(d)
            tune.report({"value": value, "step": step}, checkpoint=ckpt)


pbt = PopulationBasedTraining(
    time_attr="training_iteration", perturbation_interval=2, hyperparam_mutations={"lr": tune.uniform(0, 1)}
)
tuner = tune.Tuner(
    train_fn,
    run_config=tune.RunConfig(stop={"training_iteration": 8}),
    tune_config=tune.TuneConfig(metric="value", mode="max", num_samples=4, scheduler=pbt),
    param_space={"lr": tune.uniform(0, 1), "every": 2},
)
tuner.fit()
