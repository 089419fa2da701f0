"""Vision's loaders against files written here by hand in the genuine layouts.

No test uses the network or files of data/: DATA_DIR is an empty folder. CIFAR-10-C: test_cifar10_c.py; what unpickling
admits: test_safe_pickle.py; whatever bytes: test_image_formats.py.
"""

import errno
import gzip
import io
import os
import pickle
import struct
from pathlib import Path

import numpy as np
import pytest
import torch

from cv import corruptions, data
from fingerprinting import cli
from fingerprinting.core.errors import UserError

DRAW = np.random.default_rng(0)


# Fashion-MNIST: IDX files


def idx(array: np.ndarray) -> bytes:
    """Two zero bytes, type 8, number of dimensions, big-endian sizes, the values."""
    return struct.pack(">HBB", 0, 8, array.ndim) + struct.pack(f">{array.ndim}I", *array.shape) + array.tobytes()


def write_fashion(data_dir: Path) -> dict[str, np.ndarray]:
    folder = data_dir / "FashionMNIST" / "raw"
    folder.mkdir(parents=True)
    arrays = {}
    for part, count in (("train", 30), ("t10k", 20)):
        arrays[f"{part}-images-idx3-ubyte"] = DRAW.integers(0, 256, (count, 28, 28), np.uint8)
        arrays[f"{part}-labels-idx1-ubyte"] = (np.arange(count) % 10).astype(np.uint8)
    for name, array in arrays.items():
        (folder / name).write_bytes(idx(array))
    return arrays


@pytest.fixture
def fashion(data_dir) -> dict[str, np.ndarray]:
    return write_fashion(data_dir)


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


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (gzip.compress(b"anything"), "is still packed; unpack it with gunzip"),
        (b"<html>not found</html>", "is damaged"),
        (struct.pack(">HBBI", 0, 13, 1, 20) + np.zeros(20, ">f4").tobytes(), "is damaged"),
        (struct.pack(">HBBII", 0, 8, 2, 20, 1) + bytes(20), "is damaged"),
        (struct.pack(">HBBI", 0, 8, 0, 0), "is damaged"),
        (struct.pack(">HBB255I", 0, 8, 255, *[1] * 255) + b"\0", "is damaged"),
    ],
    ids=["gz", "html", "floats", "two dimensions", "none", "255"],
)
def test_something_else_than_idx_is_refused(fashion, data_dir, content, said):
    (data_dir / "FashionMNIST" / "raw" / "t10k-labels-idx1-ubyte").write_bytes(content)
    with pytest.raises(UserError, match=f"t10k-labels-idx1-ubyte {said}"):
        data.load("fashion_mnist")


def test_an_idx_file_whose_claimed_size_overflows_is_refused(fashion, data_dir):
    """2 ** 31 * 2 ** 31 * 4 is 0 to 64 bits."""
    path = data_dir / "FashionMNIST" / "raw" / "train-images-idx3-ubyte"
    path.write_bytes(struct.pack(">HBBIII", 0, 8, 3, 2**31, 2**31, 4))
    with pytest.raises(UserError, match="train-images-idx3-ubyte is damaged"):
        data.load("fashion_mnist")


def test_idx_files_without_images_are_refused(fashion, data_dir):
    folder = data_dir / "FashionMNIST" / "raw"
    (folder / "train-images-idx3-ubyte").write_bytes(idx(np.empty((0, 28, 28), np.uint8)))
    (folder / "train-labels-idx1-ubyte").write_bytes(idx(np.empty(0, np.uint8)))
    with pytest.raises(UserError, match="fashion_mnist holds no examples for one of its parts; get its files again"):
        data.load("fashion_mnist")


def test_fashion_mnist_in_black_and_white_is_refused(fashion, data_dir):
    images = fashion["train-images-idx3-ubyte"] > 127
    (data_dir / "FashionMNIST" / "raw" / "train-images-idx3-ubyte").write_bytes(idx(images.astype(np.uint8)))
    with pytest.raises(UserError, match="train-images-idx3-ubyte holds uint8 from 0 to 1, not uint8 from 0 to 255"):
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
    study, _ = cli.resolve({"DOMAIN": "cv"}, "", [f"DATASET={name}"])
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


def write_cifar10(data_dir: Path, write=python2) -> dict[str, dict]:
    contents = {name: batch(20, "labels", 10) for name in [*(f"data_batch_{n}" for n in range(1, 6)), "test_batch"]}
    written(data_dir / "cifar-10-batches-py", contents, write)
    return contents


@pytest.fixture
def cifar10(data_dir) -> dict[str, dict]:
    return write_cifar10(data_dir)


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
    contents = write_cifar10(data_dir, write)
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


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda content: content.pop("labels"), "holds batch_label, data, filenames in place of an array `data` and"),
        (lambda content: content.pop("data"), "holds batch_label, filenames, labels in place of"),
        (lambda content: content.update(data=content["data"].tolist()), "in place of an array `data` and labels"),
        (lambda content: content.update(data=content["data"][:, :-1]), r"holds data of shape \(20, 3071\)"),
        (lambda content: content.update(data=content["data"].reshape(-1, 3, 32, 32)), r"shape \(20, 3, 32, 32\)"),
        (lambda content: content.update(data=content["data"][:-1]), r"of shape \(19, 3072\) and 20 labels"),
        (lambda content: content.update(data=content["data"][:0], labels=[]), r"of shape \(0, 3072\) and 0 labels"),
        (lambda content: content.update(data=content["data"] / 255), r"float64 from .+scaled to \[0, 1\]; save"),
        (lambda content: content.update(data=content["data"] / 127.5 - 1), r"float64 from .+scaled to \[-1, 1\]; save"),
        (lambda content: content.update(data=content["data"].astype(int)), "int64 from .+images of another type; save"),
        (lambda content: content.update(data=content["data"] - 300.0), "from -300 to .+images of another scale"),
        (lambda content: content.update(data=content["data"] * np.nan), "from nan to nan, .+no images"),
        (lambda content: content.update(data=content["data"] > 99), "holds bool from 0 to 1, .+black and white"),
        (lambda content: content.update(data=content["data"] // 255), "holds uint8 from 0 to 1, .+black and white"),
        (lambda content: content.update(labels=3), "the labels of .+int. are not one whole number for each image"),
        (lambda content: content.update(labels=[1.0] * 20), "the labels of .+list. are not one whole number"),
        (lambda content: content.update(labels=[True] * 20), "the labels of .+list. are not one whole number"),
        (lambda content: content.update(labels=[2**70] * 20), "the labels of .+object.+ are not one whole number"),
        (lambda content: content.update(labels=np.eye(20)), r"float64 of shape \(20, 20\). are not one whole number"),
        (lambda content: content.update(labels=[10] * 20), "cifar10 has labels from 10 to 10 for 10 classes"),
        (lambda content: content.update(labels=[-1] * 20), "cifar10 has labels from -1 to -1 for 10 classes"),
    ],
)
def test_a_batch_of_another_layout_is_refused(cifar10, data_dir, change, said):
    content = dict(cifar10["test_batch"])
    change(content)
    (data_dir / "cifar-10-batches-py" / "test_batch").write_bytes(pickle.dumps(content, protocol=2))
    with pytest.raises(UserError, match=said) as refusal:
        data.load("cifar10")
    assert "test_batch" in str(refusal.value) or "cifar10 has labels" in str(refusal.value)


@pytest.mark.parametrize(
    "labels", [tuple, np.array, lambda labels: list(np.array(labels)), lambda labels: np.array(labels, ">u2")]
)
@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_cifar10_is_read_as_it_was_saved_again(data_dir, labels, protocol):
    contents = write_cifar10(data_dir)
    for name, content in contents.items():
        again = pickle.dumps({**content, "labels": labels(content["labels"])}, protocol)
        (data_dir / "cifar-10-batches-py" / name).write_bytes(again)
    found = data.load("cifar10")
    assert found.test.targets.tolist() == contents["test_batch"]["labels"]
    assert np.array_equal(found.test.inputs.numpy(), channel_major(contents["test_batch"]))


def test_a_missing_batch_is_named(cifar10, data_dir):
    (data_dir / "cifar-10-batches-py" / "data_batch_5").unlink()
    with pytest.raises(UserError, match="data_batch_5 does not exist"):
        data.load("cifar10")


COARSE = {"coarse_label_names": ["one"]}
NAMES = [f"class {number}" for number in range(100)]


def write_cifar100(data_dir: Path, meta: dict | None) -> None:
    contents = {part: batch(100, "fine_labels", 100) for part in ("train", "test")}
    written(data_dir / "cifar-100-python", contents if meta is None else {**contents, "meta": meta}, python3)


@pytest.mark.parametrize(
    ("meta", "said"),
    [
        (None, "meta does not exist; run python data/prepare.py DATASET=cifar100"),
        *((odd, "meta holds no fine_label_names, a list of different texts") for odd in (
            *({}, COARSE, {"fine_label_names": 3}, {"fine_label_names": "abc"}, {"fine_label_names": []}),
            *({"fine_label_names": ["one"] * 100}, {"fine_label_names": list(range(100))}),
            *({"fine_label_names": [*NAMES[:-1], " "]}, {"fine_label_names": [*NAMES[:-1], None]}),
        )),
        ({"fine_label_names": NAMES[:7]}, "cifar100 has labels from 0 to 99 for 7 classes"),
    ],
)  # fmt: skip
def test_a_meta_file_without_the_class_names_is_refused(data_dir, meta, said):
    write_cifar100(data_dir, meta)
    with pytest.raises(UserError, match=said):
        data.load("cifar100")


@pytest.mark.parametrize(
    "names", [tuple(NAMES), np.array(NAMES), [name.encode() for name in NAMES], [f" {name}\n" for name in NAMES]]
)
def test_class_names_are_texts_however_they_were_written(data_dir, names):
    write_cifar100(data_dir, {"fine_label_names": names})
    found = data.load("cifar100").classes
    assert found == tuple(NAMES) and all(type(name) is str for name in found)


# What is no file


@pytest.mark.parametrize("name", ["fashion_mnist", "mnist_5k", "cifar10", "cifar100", "cifar10_c"])
@pytest.mark.parametrize("kind", ["folder", "pipe", "loop"])
def test_what_is_no_regular_file_is_named_and_not_waited_for(data_dir, name, kind):
    places = {
        "fashion_mnist": "FashionMNIST/raw/train-images-idx3-ubyte",
        "mnist_5k": "mnist_5k/mnist_5k.csv.gz",
        "cifar10": "cifar-10-batches-py/data_batch_1",
        "cifar100": "cifar-100-python/train",
        "cifar10_c": "CIFAR-10-C/labels.npy",
    }
    path = data_dir / places[name]
    path.parent.mkdir(parents=True)
    if name == "cifar10_c":
        np.save(path.with_name("fog.npy"), np.zeros((5, 32, 32, 3), np.uint8))
    {"folder": path.mkdir, "pipe": lambda: os.mkfifo(path), "loop": lambda: path.symlink_to(path)}[kind]()
    with pytest.raises(UserError, match=f"{path.name} is no regular file; move it away, and run python"):
        data.load(name)


@pytest.mark.parametrize("name", ["fashion_mnist", "mnist_5k", "cifar10", "cifar10_c"])
def test_a_file_that_may_not_be_read_is_no_damaged_one(data_dir, monkeypatch, name):
    """The superuser, as which tests may run, may read everything: so the system's answer is made here."""
    write_fashion(data_dir)
    write_cifar10(data_dir)
    write_mnist(data_dir)
    folder = data_dir / "CIFAR-10-C"
    folder.mkdir()
    for stem in ("fog", "labels"):
        np.save(folder / f"{stem}.npy", np.zeros(5, np.uint8))

    def forbidden(self, *_):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(self))

    monkeypatch.setattr(Path, "open", forbidden)
    with pytest.raises(
        UserError, match=r"cannot be read \(Permission denied\); make it readable, or run python data/prep"
    ):
        data.load(name)


@pytest.mark.parametrize("kind", ["absent", "file", "loop"])
@pytest.mark.parametrize("name", ["fashion_mnist", "cifar10_c"])
def test_a_data_dir_that_is_no_folder_ends_in_a_sentence(tmp_path, monkeypatch, name, kind):
    place = tmp_path / "elsewhere"
    {"absent": lambda: None, "file": place.touch, "loop": lambda: place.symlink_to(place)}[kind]()
    monkeypatch.setenv("DATA_DIR", str(place))
    with pytest.raises(UserError, match="does not exist; run python|cannot be read"):
        data.load(name)


# Digits


def write_mnist(data_dir: Path, seed: int = 0) -> np.ndarray:
    """785 columns: 784 pixels, then the label."""
    pixels = np.random.default_rng(seed).integers(0, 256, (100, 784))
    rows = np.concatenate([pixels, np.arange(100)[:, None] % 10], axis=1)
    folder = data_dir / "mnist_5k"
    folder.mkdir(exist_ok=True)
    text = "\n".join(",".join(str(value) for value in row) for row in rows)
    (folder / "mnist_5k.csv.gz").write_bytes(gzip.compress(text.encode()))
    return rows


@pytest.fixture
def mnist_rows(data_dir) -> np.ndarray:
    return write_mnist(data_dir)


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


def with_value(new: bytes):
    """The same packed rows with the first value of the third row another one."""

    def change(packed: bytes) -> bytes:
        rows = gzip.decompress(packed).split(b"\n")
        rows[2] = new + rows[2][rows[2].index(b",") :]
        return gzip.compress(b"\n".join(rows))

    return change


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
        *map(with_value, [b"256", b"-1", b"0.5", b"1.0", b"nan", b"", b"#1", b"99999999999999999999", b'"1']),
        lambda packed: packed + b"more",
    ],
    ids=["end", "half", "empty", "text", "altered", "checksum", "words", "no rows", "784 columns"]
    + ["256", "-1", "0.5", "1.0", "nan", "no value", "comment", "huge", "quote", "more"],
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
