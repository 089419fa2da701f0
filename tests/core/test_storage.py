"""Files are written all at once or not at all, and damaged or foreign ones are refused in a sentence."""

import errno
import json
import string
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import nn

from cv.domain import DOMAIN
from fingerprinting.cli import endings
from fingerprinting.core import storage
from fingerprinting.core.errors import UserError
from fingerprinting.core.places import REPOSITORY
from fingerprinting.study import checkpoints
from fingerprinting.study.records import Records

DTYPES = (torch.float32, torch.float64, torch.float16, torch.bfloat16, torch.int64, torch.uint8, torch.bool)


def saved(folder: Path) -> Path:
    path = folder / "model.safetensors"
    storage.save_tensors(path, {"weight": torch.arange(6.0).reshape(2, 3)}, {"architecture": "conv3"})
    return path


def test_an_error_inside_keeps_the_old_file_and_leaves_nothing_else(tmp_path):
    path = tmp_path / "deep" / "file.txt"
    storage.write_text(path, "old")
    with pytest.raises(RuntimeError), storage.atomic(path) as temporary:
        temporary.write_text("half of the n")
        raise RuntimeError
    assert path.read_text() == "old"
    assert list(path.parent.iterdir()) == [path]


def test_an_error_inside_makes_no_new_file(tmp_path):
    with pytest.raises(KeyboardInterrupt), storage.atomic(tmp_path / "new") as temporary:
        temporary.write_text("half")
        raise KeyboardInterrupt
    assert not list(tmp_path.iterdir())


def test_files_come_together_in_their_order_or_not_at_all(tmp_path):
    folder = tmp_path / "set"
    with pytest.raises(RuntimeError), storage.together(folder, ["a", "b"]) as place:
        (place / "a").write_text("whole")
        raise RuntimeError
    with pytest.raises(FileNotFoundError), storage.together(folder, ["a", "b"]) as place:
        (place / "a").write_text("whole")
    assert not list(folder.iterdir())
    (folder / "b").write_text("kept")
    with storage.together(folder, ["c", "b", "a"]) as place:
        for name in "abc":
            (place / name).write_text("new")
        assert storage.visible(folder) == [folder / "b"]
    assert {path.name: path.read_text() for path in folder.iterdir()} == {"a": "new", "b": "kept", "c": "new"}


def test_together_says_where_it_cannot_write(tmp_path):
    (tmp_path / "file").write_text("kept")
    with pytest.raises(UserError, match="set cannot be written to .Not a directory.; name another folder"):  # noqa: SIM117
        with storage.together(tmp_path / "file" / "set", ["a"]):
            raise AssertionError
    assert (tmp_path / "file").read_text() == "kept"


def test_visible_files_are_those_without_a_dot_by_name(tmp_path):
    for name in ("b", "a", ".hidden", "._a"):
        (tmp_path / name).touch()
    assert [path.name for path in storage.visible(tmp_path)] == ["a", "b"]
    assert storage.visible(tmp_path / "absent") == storage.visible(tmp_path / "a") == []
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    with pytest.raises(UserError, match="loop cannot be read .+; make it readable, or name another one"):
        storage.visible(tmp_path / "loop")


def test_the_old_file_stands_until_the_block_ends(tmp_path):
    path = tmp_path / "file"
    storage.write_text(path, "old")
    with storage.atomic(path) as temporary:
        temporary.write_text("new")
        assert path.read_text() == "old"
    assert path.read_text() == "new"
    assert list(tmp_path.iterdir()) == [path]


plain_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(st.characters(codec="utf-8")),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(string.ascii_letters), inner, max_size=3),
    max_leaves=6,
)
names = st.text(string.ascii_letters + "._0123456789", min_size=1, max_size=12)


@given(
    st.dictionaries(names, st.tuples(st.lists(st.integers(0, 3), max_size=3), st.sampled_from(DTYPES)), max_size=4),
    st.dictionaries(names, plain_values, max_size=4),
    st.integers(0, 1000),
)
def test_tensors_and_metadata_come_back_as_they_were(layout, metadata, seed):
    draw = torch.Generator().manual_seed(seed)
    tensors = {name: torch.randint(0, 2, shape, generator=draw).to(dtype) for name, (shape, dtype) in layout.items()}
    metadata = {name: value for name, value in metadata.items() if name != "sha256"}
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "file.safetensors"
        storage.save_tensors(path, tensors, metadata)
        read, found = storage.load_tensors(path)
        assert storage.read_metadata(path) == found == {**metadata, "sha256": storage.digest(tensors)}
    assert read.keys() == tensors.keys()
    for name, tensor in tensors.items():
        assert read[name].dtype == tensor.dtype
        assert torch.equal(read[name], tensor)


def test_metadata_can_be_read_without_this_project(tmp_path):
    with safe_open(saved(tmp_path), framework="pt") as file:
        assert json.loads(file.metadata()["architecture"]) == "conv3"


def test_strided_tensors_and_tensors_with_gradients_can_be_saved(tmp_path):
    weight = nn.Parameter(torch.arange(6.0).reshape(2, 3))
    storage.save_tensors(tmp_path / "file", {"turned": weight.t(), "column": weight[:, 1]}, {})
    read, _ = storage.load_tensors(tmp_path / "file")
    assert torch.equal(read["turned"], weight.detach().t())
    assert torch.equal(read["column"], weight.detach()[:, 1])


def test_digest_sees_names_shapes_types_and_values_but_not_order():
    first, second = torch.arange(4.0), torch.ones(2)
    digest = storage.digest({"a": first, "b": second})
    assert digest == storage.digest({"b": second, "a": first})
    others = (
        {"a": first, "c": second},
        {"a": second, "b": first},
        {"a": first.reshape(2, 2), "b": second},
        {"a": first.view(torch.int32), "b": second},
        {"a": first + 1e-6, "b": second},
    )
    assert digest not in [storage.digest(other) for other in others]


def test_a_truncated_file_is_refused_at_every_length(tmp_path):
    path = saved(tmp_path)
    whole = path.read_bytes()
    for length in range(len(whole)):
        path.write_bytes(whole[:length])
        for read in (storage.load_tensors, storage.read_metadata):
            with pytest.raises(UserError, match="model.safetensors is damaged or truncated; delete it"):
                read(path)


def test_a_flipped_byte_in_the_data_is_refused(tmp_path):
    path = saved(tmp_path)
    whole = path.read_bytes()
    for position in range(len(whole) - 6 * 4, len(whole)):
        path.write_bytes(whole[:position] + bytes([whole[position] ^ 0x10]) + whole[position + 1 :])
        with pytest.raises(UserError, match="model.safetensors is damaged or truncated; delete it"):
            storage.load_tensors(path)


@pytest.mark.parametrize("flip", [0x01, 0x10, 0x80, 0xFF])
def test_a_flipped_byte_in_the_header_never_ends_in_a_traceback(tmp_path, flip):
    path = saved(tmp_path)
    whole = path.read_bytes()
    before, _ = storage.load_tensors(path)
    for position in range(len(whole) - 6 * 4):
        path.write_bytes(whole[:position] + bytes([whole[position] ^ flip]) + whole[position + 1 :])
        try:
            after, _ = storage.load_tensors(path)
        except UserError as error:
            assert str(path) in str(error)
        else:
            assert torch.equal(before["weight"], after["weight"])


@pytest.mark.parametrize(
    "content", [b"", b"I am a text, not a model.\n", b"\0" * 100, "Grüße".encode("utf-16")], ids=str
)
def test_something_else_than_safetensors_is_refused(tmp_path, content):
    path = tmp_path / "notes.safetensors"
    path.write_bytes(content)
    with pytest.raises(UserError, match="notes.safetensors is damaged"):
        storage.load_tensors(path)


@pytest.mark.parametrize("metadata", [None, {"format": "pt"}, {"author": '"somebody"'}], ids=str)
def test_a_foreign_safetensors_file_is_called_foreign(tmp_path, metadata):
    path = tmp_path / "foreign.safetensors"
    save_file({"weight": torch.ones(2)}, path, metadata)
    for read in (storage.load_tensors, storage.read_metadata):
        with pytest.raises(UserError, match="foreign.safetensors was not written by this project"):
            read(path)


def test_a_missing_file_is_refused(tmp_path):
    with pytest.raises(UserError, match="absent.safetensors does not exist"):
        storage.load_tensors(tmp_path / "absent.safetensors")


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"domain": "nlp"}, "holds a model of domain 'nlp', not of cv"),
        ({"architecture": "mlp"}, "does not fit architecture 'mlp'"),
        ({"classes": 7}, "does not fit architecture 'conv3'"),
        ({"architecture": "conv99"}, "unknown architecture 'conv99'"),
    ],
)
def test_a_checkpoint_that_does_not_fit_is_refused(tmp_path, change, sentence):
    path = tmp_path / "model.safetensors"
    metadata = {"domain": "cv", "architecture": "conv3", "classes": 10, "shape": [1, 8, 8]}
    model = checkpoints.build(DOMAIN, "conv3", 10, (1, 8, 8))
    checkpoints.save(path, model, metadata)
    read, _ = checkpoints.load(DOMAIN, path)
    assert storage.digest(read.state_dict()) == storage.digest(model.state_dict())
    checkpoints.save(path, model, metadata | change)
    with pytest.raises(UserError, match=sentence):
        checkpoints.load(DOMAIN, path)


@pytest.fixture
def full_disk(monkeypatch):
    """Temporary files are links to /dev/full, which takes no byte; safetensors fails in its own words."""
    if not Path("/dev/full").exists():
        pytest.skip("needs /dev/full")

    genuine = tempfile.mkstemp

    def on_full_disk(**where):
        handle, name = genuine(**where)
        Path(name).unlink()
        Path(name).symlink_to("/dev/full")
        return handle, name

    def save_nothing(*_):
        raise SafetensorError("Error while serializing: I/O error: No space left on device (os error 28)")

    monkeypatch.setattr(tempfile, "mkstemp", on_full_disk)
    monkeypatch.setattr(storage, "save_file", save_nothing)


@pytest.mark.parametrize(
    "write",
    [
        lambda path: storage.write_text(path, "new"),
        lambda path: storage.save_tensors(path, {"weight": torch.ones(3)}, {}),
        lambda path: Records(path).put([{"key": "new"}]),
    ],
    ids=["text", "tensors", "records"],
)
def test_a_full_disk_ends_in_a_sentence_with_nothing_half_written(tmp_path, full_disk, capsys, write):
    path = tmp_path / "kept"
    path.write_text('{"key": "old"}\n')
    with pytest.raises(SystemExit) as ending, endings():
        write(path)
    assert ending.value.code == 2
    said = capsys.readouterr().err
    assert said.startswith("the disk is full") and said.count("\n") == 1
    assert path.read_text() == '{"key": "old"}\n'
    left = [entry.name for entry in tmp_path.rglob("*") if entry.is_file()]
    assert left in (["kept"], [storage.LOCK, "kept"], ["kept", storage.LOCK])


TWO_WRITERS = """
import sys
from fingerprinting.study.records import Records

for number in range(40):
    Records.at("cv/own/smoke", "models").put([{"key": f"{sys.argv[1]}{number}"}])
"""


def test_two_processes_that_put_rows_lose_none():
    both = [subprocess.Popen([sys.executable, "-c", TWO_WRITERS, name], cwd=REPOSITORY) for name in ("first", "second")]
    assert [writer.wait(timeout=300) for writer in both] == [0, 0]
    assert len(Records.at("cv/own/smoke", "models").rows()) == 80


def test_other_errors_keep_their_traceback():
    with pytest.raises(OSError, match="a disk that burns"), endings():
        raise OSError(errno.EIO, "a disk that burns")
    with pytest.raises(ZeroDivisionError), endings():
        raise ZeroDivisionError


def test_a_file_that_the_system_refuses_ends_in_a_sentence(tmp_path, monkeypatch):
    """As root nothing is refused, so the refusal is made here."""
    path = tmp_path / "s01.bdf"
    path.write_bytes(b"one\r\ntwo")
    assert storage.text_of(path, "utf-8") == "one\ntwo"

    def refused(*_args, **_options):
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(Path, "open", refused)
    with pytest.raises(UserError, match="s01.bdf cannot be read .Permission denied.; make it readable, or get it"):
        storage.content_of(path)


def test_a_record_replaces_its_own_key_only(tmp_path):
    records = Records(tmp_path / "facts.jsonl")
    assert records.rows() == []
    records.put([{"key": "b", "value": 1}, {"key": "a", "value": 2}])
    records.put([{"key": "b", "value": 3}, {"key": "c", "value": 4}])
    assert records.rows() == [{"key": "a", "value": 2}, {"key": "b", "value": 3}, {"key": "c", "value": 4}]
    records.keep_only(["a", "c", "absent"])
    assert [row["key"] for row in records.rows()] == ["a", "c"]


def test_putting_nothing_writes_nothing(tmp_path):
    Records(tmp_path / "facts.jsonl").put([])
    assert not list(tmp_path.iterdir())


def test_records_are_readable_and_sorted_lines(tmp_path):
    path = tmp_path / "facts.jsonl"
    Records(path).put({"key": key, "title": f"鞋子 é {key}"} for key in "cab")
    first, *lines = path.read_text(encoding="utf-8").splitlines()
    assert json.loads(first)["columns"] == [[["key", "title"], []]]
    assert [json.loads(line) for line in lines] == [[0, key, f"鞋子 é {key}"] for key in "abc"]
    assert all("鞋子 é" in line for line in lines)


def test_what_rows_have_in_common_is_written_once(tmp_path):
    path, machine = tmp_path / "facts.jsonl", {"commit": "0123", "versions": {"torch": "2"}}
    rows = [{"key": key, "tier": "cpu", "provenance": machine, "over": [key, key]} for key in "abc"]
    rows[2]["provenance"] = {"commit": "4567"}
    rows.append({"key": "d", "tier": "cpu", "provenance": machine, "share": None})
    Records(path).put(rows)
    text = path.read_text()
    assert text.count("0123") == 1 and text.count("tier") == 1
    assert Records(path).rows() == rows


def test_a_key_that_other_columns_say_is_not_written_and_neither_is_a_number_twice(tmp_path):
    path, share = tmp_path / "facts.jsonl", 0.12345678901234567
    about = [("random", 1, share), ("random", 2, share), ("sac", 1, share), ("sac", 2, 0.25)]
    rows = [{"key": f"cv/digits/{name}/{n}", "method": name, "n": n, "share": found} for name, n, found in about]
    Records(path).put(rows)
    first, *lines = path.read_text().splitlines()
    assert json.loads(first)["columns"][0][2] == "cv/digits/{method}/{n}"
    assert first.count(str(share)) == 1 and not any("0.12" in line or "digits" in line for line in lines)
    assert Records(path).rows() == rows
    Records(path).put([{**rows[3], "key": "cv/digits/sac/all"}])  # which no column says
    assert sorted(row["key"] for row in Records(path).rows()) == [*(row["key"] for row in rows), "cv/digits/sac/all"]


def test_records_of_an_earlier_version_are_read_and_written_anew(tmp_path):
    path = tmp_path / "facts.jsonl"
    path.write_text('{"key": "a", "value": 1}\n{"key": "b", "more": {"x": 2}}\n')
    Records(path).put([{"key": "b", "value": 3}])
    assert Records(path).rows() == [{"key": "a", "value": 1}, {"key": "b", "value": 3}]
    assert "columns" in path.read_text()


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(st.characters(codec="utf-8")),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from("ab"), inner, max_size=2),
    max_leaves=4,
)


@given(
    st.lists(st.dictionaries(st.sampled_from(("value", "tier", "common", "shared", "{0}")), VALUES), max_size=6),
    st.sampled_from(("", "/{value}", "cv/")),
)
def test_records_keep_what_they_were_given(facts, more):
    """Whatever the columns, and whether a column says what stands in the key or not."""
    rows = [{**row, "key": f"{more}{row.get('tier')}/{place}"} for place, row in enumerate(facts)]
    with tempfile.TemporaryDirectory() as folder:
        records = Records(Path(folder) / "facts.jsonl")
        records.put(rows)
        given = sorted(rows, key=lambda row: row["key"])
        assert json.dumps(records.rows(), sort_keys=True) == json.dumps(given, sort_keys=True)  # 1, 1.0 and True differ


@pytest.mark.parametrize("text", ["one\u2028two\x85three\x0bfour", "😀 नमस्ते", 'a "quoted"\r\nline'], ids=ascii)
def test_records_keep_unusual_text(tmp_path, text):
    records = Records(tmp_path / "facts.jsonl")
    records.put([{"key": "a", "text": text}])
    records.put([{"key": "b", "text": text}])
    assert [row["text"] for row in records.rows()] == [text, text]


@pytest.mark.parametrize("damage", [b'{"key": "b", "val', b"<<<<<<< HEAD", b"\xff\xfe\x00", b"17", b'{"value": 1}'])
def test_a_damaged_line_is_refused(tmp_path, damage):
    path = tmp_path / "facts.jsonl"
    Records(path).put([{"key": "a"}])
    before = path.read_bytes() + damage + b"\n"
    path.write_bytes(before)
    with pytest.raises(UserError, match="facts.jsonl is damaged; restore it from git"):
        Records(path).put([{"key": "c"}])
    assert path.read_bytes() == before


@pytest.mark.parametrize("place", ["a file/below", "a file"])
def test_a_folder_that_cannot_be_one_is_a_users_mistake(tmp_path, place):
    (tmp_path / "a file").write_text("here")
    with pytest.raises(UserError, match="cannot be written to .*; name another folder"):
        storage.write_text(tmp_path / place / "results.txt", "text")
    assert (tmp_path / "a file").read_text() == "here"
