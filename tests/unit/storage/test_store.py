"""Files under one URI, on this machine's file system and in an object store, and the layout of a study's files."""

import errno
import fcntl
import gc
import os
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pyarrow as pa
import pytest
from pyarrow import fs

from pipeline.errors import StorageError, Superseded
from pipeline.storage import Entry, Store, layout, unfinished
from pipeline.storage.scratch import SharedFolder, close_shared_folders, scratch
from tests.bucket import Bucket
from tests.processes import printed_without_privileges


@pytest.fixture
def local(tmp_path: Path) -> Store:
    return Store(tmp_path / "studies")


@pytest.fixture
def objects(tmp_path: Path) -> Store:
    return Store("mock:///bucket/studies?region=x", (Bucket(tmp_path / "bucket"), "bucket/studies"))


@pytest.fixture(params=["local", "objects"])
def store(request: pytest.FixtureRequest) -> Store:
    return request.getfixturevalue(request.param)


def _paths(store: Store) -> list[str]:
    return [entry.path for entry in store.entries() if entry.kind == "file"]


def test_written_files_are_read_and_listed(store: Store) -> None:
    assert not store.exists("a/b/c")
    assert store.write("a/b/c", [b"12", memoryview(b"345")]) == 5
    store.write("a/text", "ö")
    assert store.read("a/b/c") == b"12345"
    assert (store.read_start("a/b/c", 2), store.read_end("a/b/c", 2)) == (b"12", (b"45", 3))
    assert store.read_end("a/b/c", 9) == (b"12345", 0)
    assert (list(store.pieces("a/b/c")), store.read_text("a/text")) == ([b"12345"], "ö")
    assert store.read("a/b/c", most=5) == b"12345"
    assert (store.files(), store.files("nothing")) == (["a/b/c", "a/text"], [])
    assert store.sizes("a/b") == [("a/b/c", 5)]
    entries = [(str(entry), entry.kind, entry.size) for entry in store.entries("a")]
    assert entries == [("a/b/", "folder", 0), ("a/b/c", "file", 5), ("a/text", "file", 2)]
    assert store.folders() == ["a"]
    assert store.folder("a").files() == ["b/c", "text"]
    store.delete("nothing")
    with pytest.raises(FileNotFoundError):
        store.read("nothing")


@pytest.mark.parametrize("path", ["../x", "a/../../x", "/etc/passwd", "a/..", "a\0b", "a\udcffb"])
def test_no_path_leads_out(store: Store, path: str) -> None:
    for call in (store.read, store.delete, store.exists, store.files, store.folder, lambda path: store.write(path, "")):
        with pytest.raises(StorageError, match=r"leads out|cannot be used"):
            call(path)


def test_a_file_is_created_once_and_appended_to(store: Store) -> None:
    assert store.create("a/x", "1")
    assert not store.create("a/x", "2")
    store.append("a/x", b"2")
    store.append("b/y", b"3")
    assert (store.read("a/x"), store.read("b/y")) == (b"12", b"3")
    assert _paths(store) == ["a/x", "b/y"]


def test_only_empty_folders_are_deleted(store: Store) -> None:
    for path in ("x", "a/x"):
        store.write(path, [b""])
        store.delete_empty_folders()
        assert store.sizes("") == [(path, 0)]
        store.delete(path)
    for _ in range(2):
        store.delete_empty_folders()
        assert not store.exists("")


def test_markers_of_folders_in_an_object_store_are_deleted() -> None:
    system, root = fs.FileSystem.from_uri("mock:///bucket/studies")
    system.create_dir(f"{root}/a")
    store = Store("mock:///bucket/studies", (system, root))
    store.delete_empty_folders()
    assert not store.exists("")


@pytest.mark.parametrize("name", ["my.writing-notes", "50% a", "x" * 255, "ü" * 127])
def test_any_name_can_be_written(local: Store, name: str) -> None:
    local.write(name, b"1")
    assert local.create(f"a/{name}", "2")
    assert _paths(local) == sorted([name, f"a/{name}"])


def test_a_large_file_is_read_in_pieces(store: Store) -> None:
    store.write("x", bytes(2**20 + 1))
    assert [len(piece) for piece in store.pieces("x")] == [2**20, 1]


def test_many_files_are_deleted_until_a_check_fails(store: Store) -> None:
    names, left = [f"a/{number:02d}" for number in range(40)], []
    for name in [*names, "kept"]:
        store.write(name, b"x")
    parallel = lambda: any(thread.name.startswith("delete") for thread in threading.enumerate())  # noqa: E731
    store.delete_all([*names[:20], "a/missing"], lambda: left.append((len(store.files("a")), parallel())))
    assert left == [(40, False), (24, store.local is None)]

    def check() -> None:
        if len(store.files("a")) < 20:
            raise Superseded("It is another driver's.")

    with pytest.raises(Superseded):
        store.delete_all(names[20:], check)
    assert store.files() == [*names[36:], "kept"]


_NOT_JSON = [b"", b"[" * 100_000, b"[NaN]", b"\xff", b"[" * 101 + b"]" * 101, b"1 2", b"1".rjust(10_000_001)]


@pytest.mark.parametrize("content", _NOT_JSON, ids=len)
def test_json_is_strict(local: Store, content: bytes) -> None:
    local.write("x", content)
    with pytest.raises(StorageError, match=r"x in .* (is not JSON|has more than 10,000,000 bytes)"):
        local.read_json("x")
    with pytest.raises(StorageError, match="more than 0 bytes" if content else "is not JSON"):
        local.read_json("x", most=0)


@pytest.mark.parametrize("uri", ["s3:/bucket/x", "ftp://host/x", "a\0b", "\udcff"])
def test_a_storage_that_cannot_be_used_is_refused(uri: str) -> None:
    with pytest.raises(StorageError, match=r"storage .* cannot be used"):
        Store(uri)


@pytest.mark.parametrize(
    ("uri", "added"),
    [("s3://b/x", "?allow_delayed_open=true"), ("S3://b?region=r", "&allow_delayed_open=true"),
     ("s3://b?allow_delayed_open=false", ""), ("gs://b/x", "?retry_limit_seconds=10"), ("file:///x", "")],
)  # fmt: skip
def test_a_uri_gets_the_options_that_it_does_not_name(uri: str, added: str, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []
    system = SimpleNamespace(from_uri=lambda uri: (asked.append(uri), "x"))
    monkeypatch.setattr("pipeline.storage.files.fs", SimpleNamespace(FileSystem=system))
    assert (Store(uri).uri, asked) == (uri, [uri + added])


@pytest.mark.parametrize("error", [OSError("vanished"), KeyboardInterrupt()])
def test_content_that_ends_with_an_error_leaves_the_earlier_file_or_none(local: Store, error: BaseException) -> None:
    def failing() -> Iterator[bytes]:
        yield b"half"
        assert not local.exists("new")
        raise error

    local.write("x", b"before")
    for path in ("x", "new"):
        with pytest.raises((StorageError, KeyboardInterrupt)):
            local.write(path, failing())
    assert local.read("x") == b"before"
    assert _paths(local) == ["x"]


def test_a_file_in_writing_has_a_temporary_name(local: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[tuple[list[str], list[Entry]]] = []
    monkeypatch.setattr(os, "fsync", lambda _: seen.append((local.files(), local.entries("epochs"))))
    local.write("epochs/part-1.parquet", [b"x"])
    ((complete, (entry,)),) = seen
    assert (complete, entry.size) == ([], 1)
    assert unfinished(entry.path) == "epochs/part-1.parquet"
    assert not entry.path.endswith(".parquet")


def test_no_link_is_written_through_nor_read_where_it_leads_out(local: Store, tmp_path: Path) -> None:
    local.write("a/x", b"1")
    folder = tmp_path / "studies"
    (folder / "inside").symlink_to("a/x")
    (tmp_path / "outside").write_text("secret")
    (folder / "out").symlink_to(tmp_path / "outside")
    (tmp_path / "link").symlink_to(folder)
    assert (Store(tmp_path / "link").uri, Store(folder / "../link").uri) == (str(tmp_path / "link"), str(folder))
    assert local.read("inside") == Store(tmp_path).folder("link").read("a/x") == b"1"
    for path in ("inside", "out"):
        for change in (lambda path: local.write(path, b"2"), local.delete, lambda path: local.append(path, b"2")):
            with pytest.raises(StorageError, match="is a link to"):
                change(path)
    with pytest.raises(StorageError, match="leads out"):
        local.read("out")


@pytest.mark.parametrize("error", [None, errno.EPERM], ids=["hard links", "none, as in a mounted bucket"])
def test_of_several_writers_of_one_name_one_succeeds(
    error: int | None, local: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    barrier, created = threading.Barrier(8), []
    if error is not None:
        monkeypatch.setattr("os.link", lambda *_: (_ for _ in ()).throw(OSError(error, os.strerror(error))))

    def create(content: str) -> None:
        barrier.wait()
        if local.create("sessions/1.json", content):
            created.append(content)

    writers = [threading.Thread(target=create, args=(str(number),)) for number in range(8)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    assert [local.read_text("sessions/1.json")] == created
    assert _paths(local) == ["sessions/1.json"]


def test_an_error_of_the_file_system_is_reported(local: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.link", lambda *_: (_ for _ in ()).throw(OSError(errno.ENOSPC, "No space left")))
    with pytest.raises(StorageError, match=r"Cannot write .*/a: No space left\. Fix"):
        local.create("a", "x")
    assert _paths(local) == []


def test_a_read_only_folder_is_reported() -> None:
    code = (
        "from pipeline.errors import StorageError\n"
        "from pipeline.storage import Store\n"
        "try: Store(sys.argv[1]).write('a', b'x')\n"
        "except StorageError as error: print(error)"
    )
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o555)
        assert printed_without_privileges(code, folder).startswith(f"Cannot write {folder}/a: Permission denied. ")
        assert Store(folder).entries() == []


class Upload:
    """An upload that is completed when it is closed or freed, as pyarrow's; `fails` is raised after its first piece."""

    def __init__(self, objects, fails):
        self._objects, self._fails, self._content = objects, fails, b""

    def write(self, piece):
        if self._content and self._fails is not None:
            raise self._fails
        self._content += piece

    def close(self):
        if self._fails is not None:
            raise self._fails
        self._objects.append(self._content)

    __del__ = close


@pytest.mark.parametrize("error", [OSError, KeyboardInterrupt])
def test_an_upload_that_is_cut_off_is_never_completed(error):
    completed = []

    def failing():
        yield b"half"
        raise error("away")

    for content, fails in ((failing(), None), (iter([b"half", b"more"]), error("away")), (b"whole", error("away"))):
        system = SimpleNamespace(open_output_stream=lambda _path, fails=fails: Upload(completed, fails))
        with pytest.raises((StorageError, KeyboardInterrupt)):
            Store("mock://bucket", (system, "bucket")).write("x", content)
        gc.collect()
    assert completed == []


@pytest.mark.parametrize("error", [OSError, pa.ArrowException, pa.ArrowInvalid])
def test_azure_is_asked_for_the_folder_before_it_lists(error):
    """Azure's client ends the process if it may not list."""

    def get_file_info(of):
        if isinstance(of, str):
            raise error("no token")
        return []

    store = Store("abfs://c/s", (SimpleNamespace(type_name="abfs", get_file_info=get_file_info), "c/s"))
    with pytest.raises(error if error is pa.ArrowInvalid else StorageError, match="no token"):
        store.files()


def test_folders_that_a_store_does_not_show_are_found_and_keep_its_options():
    info = SimpleNamespace(path="b/s/my study/study.json", type=fs.FileType.File, size=1)
    system = SimpleNamespace(type_name="gcs", get_file_info=lambda of: [info] if of.recursive else [])
    store = Store("gs://b/s?region=x", (system, "b/s"))
    assert [store.folder(name).uri for name in store.folders()] == ["gs://b/s/my%20study?region=x"]


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
    assert layout.is_beginning(path) == path.startswith(("sessions/", "source/", "trials.parquet"))


@pytest.mark.parametrize("path", FOREIGN)
def test_no_other_path_belongs_to_a_study(path: str) -> None:
    assert not layout.names(path)
    assert not layout.is_beginning(path)


def test_the_numbers_in_a_path_are_read_back() -> None:
    assert layout.checkpoint_of(layout.checkpoint("0012", 34)) == ("0012", 34)
    assert layout.checkpoint_of("checkpoints/0012/34.ckpt") is None
    assert layout.checkpoint_of(layout.log("0012")) is None
    files = [f"{layout.files('0012')}/a/b", "files/12/a", layout.log("0012")]
    assert [layout.file_of(path) for path in files] == [("0012", "a/b"), None, None]
    assert [layout.session_number(path) for path in (layout.part("epochs", 12, 3), "epochs/mine.parquet")] == [12, 0]


@pytest.fixture
def temporary(tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    descriptors = set(Path("/proc/self/fd").iterdir())
    yield tmp_path
    assert set(Path("/proc/self/fd").iterdir()) <= descriptors


def test_a_folder_exists_until_the_end(temporary):
    with scratch("ray") as folder:
        (folder / "file").write_text("x")
        assert folder.parent == temporary
    assert list(temporary.iterdir()) == []


def test_the_folder_of_a_process_is_removed_when_it_was_killed(temporary):
    code = (
        "import sys, tempfile; tempfile.tempdir = sys.argv[1]\n"
        "from pipeline.storage.scratch import scratch\n"
        "with scratch('ray') as folder: (folder / 'x').touch(); print(folder, flush=True); input()"
    )
    pipe = subprocess.PIPE
    with subprocess.Popen([sys.executable, "-c", code, str(temporary)], stdin=pipe, stdout=pipe, text=True) as process:
        left = process.stdout.readline().strip()
        with scratch("check") as folder:
            assert {str(path) for path in temporary.iterdir()} == {str(folder), left}
        process.kill()
        process.wait()
    with scratch("check") as folder:
        assert list(temporary.iterdir()) == [folder]


def test_a_folder_that_another_process_removes_before_it_is_locked_is_made_again(temporary, monkeypatch):
    lock, locked = fcntl.flock, []

    def flock(descriptor, how):
        if not locked:
            next(temporary.iterdir()).rmdir()
        locked.append(lock(descriptor, how))

    monkeypatch.setattr("fcntl.flock", flock)
    with scratch("ray") as folder:
        assert (folder.is_dir(), len(locked)) == (True, 2)


def test_a_folder_of_another_user_is_refused(temporary, monkeypatch):
    monkeypatch.setattr(os, "geteuid", lambda: -1)
    with pytest.raises(PermissionError), scratch("ray"):
        pass


def test_other_folders_are_kept(temporary):
    with scratch("ray") as one:
        others = [temporary / name for name in ("tunepipe-ray-elsewhere-0-x", "tunepipe-somebody")]
        for other in others:
            other.mkdir()
        link = temporary / f"{one.name}-link"
        link.symlink_to(others[0])
        with scratch("ray") as two:
            assert set(temporary.iterdir()) == {one, two, link, *others}


def test_a_shared_folder_is_removed_by_the_last_that_uses_it(temporary, monkeypatch):
    close_shared_folders()
    at_exit = []
    monkeypatch.setattr("atexit.register", at_exit.append)
    first, second = (SharedFolder(lambda: "key") for _ in range(2))
    assert first.path == second.path != SharedFolder(lambda: "other").path
    assert first.path.stat().st_mode & 0o777 == 0o700
    folder = first.path
    first.close()
    assert folder.is_dir()
    second.close()
    assert not folder.exists()
    for use in (lambda: second.path, *at_exit):
        (unused := Path(f"{folder}0")).mkdir()
        use()
        assert not unused.exists()
    assert list(temporary.iterdir()) == []
