"""The layout of a study's files, and the paths that can belong to a study."""

import pytest

from pipeline.storage import layout

OWN = [
    layout.STUDY, layout.TRIALS, layout.REPORT, *layout.EXPORTED, layout.session(1), layout.session(12_345),
    layout.stop_request(3), layout.source("job.py"), layout.source("package/inner/module-2.py"),
    layout.source("my job(1).py"), layout.part("epochs", 1, 1), layout.part("decisions", 10_000, 1_000_000),
    layout.log("driver"), layout.log(layout.trial_id(7)), layout.checkpoint(layout.trial_id(0), 1),
    layout.checkpoint(layout.trial_id(10_000), 2_000_000), f"{layout.files('0003')}/any/depth/of.file",
]  # fmt: skip
FOREIGN = [
    "", "notes.txt", "epochs/mine.parquet", "epochs/part-1-1.parquet", "epochs/deep/part-0001-000001.parquet",
    "trials/all-0001.parquet", "checkpoints/0000/1.ckpt", "checkpoints/00000/000001.ckpt",
    "checkpoints/mine/000001.ckpt", "checkpoints/0000/000001.ckpt\n", "checkpoints/٠٠٠٠/000001.ckpt",
    "sessions/1.json", "sessions/0001.json~", "source/private_key", "source/.hidden.py", "logs/mine.log",
    "export/notes.txt", "files/0003", "files/0003.dropped.json",
]  # fmt: skip


@pytest.mark.parametrize("path", OWN)
def test_every_path_of_the_layout_belongs_to_a_study(path: str) -> None:
    assert layout.names(path)
    steps = path.split("/")[:-1]
    assert all(layout.names_folder("/".join(steps[:count])) for count in range(1, len(steps) + 1))


@pytest.mark.parametrize("path", FOREIGN)
def test_no_other_path_belongs_to_a_study(path: str) -> None:
    assert not layout.names(path)


def test_a_checkpoint_s_path_is_read_back() -> None:
    assert layout.checkpoint_of(layout.checkpoint("0012", 34)) == ("0012", 34)
    assert layout.checkpoint_of("checkpoints/0012/34.ckpt") is None
    assert layout.checkpoint_of(layout.log("0012")) is None
