"""The least that anything on Ray with TensorFlow must do: ray.init, and one actor that imports tensorflow."""

import json
import time

import ray


@ray.remote
class Actor:
    def ready(self):
        import tensorflow  # noqa: F401

        return time.time()


def main() -> None:
    ray.init()
    print("\n" + json.dumps({"ready": ray.get(Actor.remote().ready.remote())}))


if __name__ == "__main__":
    main()
