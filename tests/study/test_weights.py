"""Weights that were trained elsewhere: every usual way of writing them is read, everything else is one sentence."""

import json
import random
import tempfile
from pathlib import Path

import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st
from safetensors.torch import load, load_file, save, save_file, save_model
from torch import nn

from cv.models import conv3
from fingerprinting.core import places, storage
from fingerprinting.core.errors import UserError
from fingerprinting.models import source_model, trained
from fingerprinting.study import weights

SHAPE = (1, 8, 8)


def network(seed: int) -> nn.Module:
    torch.manual_seed(seed)
    net = conv3(10, SHAPE)
    net.train()(torch.rand(8, *SHAPE))  # counters and running statistics
    return net


STATE = network(0).state_dict()
FLOATS = [name for name, value in STATE.items() if value.is_floating_point()]


def floats(change) -> dict[str, torch.Tensor]:
    return {name: change(value) if value.is_floating_point() else value for name, value in STATE.items()}


def written(folder: Path, tensors: dict, name: str = "mine.safetensors") -> Path:
    save_file({key: value.contiguous().clone() for key, value in tensors.items()}, folder / name)
    return folder / name


def filled(path: Path) -> dict[str, torch.Tensor]:
    return weights.filled(network(1), path).state_dict()


def refusal(path: Path) -> str:
    net = network(1)
    before = storage.digest(net.state_dict())
    with pytest.raises(UserError) as refused:
        weights.filled(net, path)
    assert storage.digest(net.state_dict()) == before and "\n" not in str(refused.value)
    return str(refused.value)


@pytest.mark.parametrize("prefix", ["", "module.", "_orig_mod.", "model.", "module._orig_mod.", "model.module.net."])
def test_one_common_prefix_is_left_out(tmp_path, prefix):
    path = written(tmp_path, {prefix + name: value for name, value in STATE.items()})
    assert weights.prefix_of(weights.read(path), STATE) == prefix
    assert storage.digest(filled(path)) == storage.digest(STATE)


def test_a_prefix_of_some_names_only_is_none(tmp_path):
    path = written(tmp_path, {("module." if "weight" in name else "") + name: value for name, value in STATE.items()})
    assert "does not fit the architecture: of 1.0.weight it has nothing" in refusal(path)


def test_names_that_the_architecture_has_below_a_prefix_are_told_of_it(tmp_path):
    path = written(tmp_path, network(0)[1].state_dict())
    net = nn.Sequential(nn.Identity(), network(1)[1])
    with pytest.raises(UserError, match=r"write '1\.' before each of its names"):
        weights.filled(net, path)


def test_the_prefix_that_is_left_out_is_said(study, tmp_path, capsys):
    path = written(tmp_path, {f"module.{name}": value for name, value in STATE.items()})
    source_model.source(study, epochs=1, learning_rate=1e-2, weights=str(path))
    assert "'module.', with which all of its names begin, is left out" in capsys.readouterr().out
    source = trained.open_model(study, study.source_id)
    assert storage.digest(source.state_dict()) == storage.digest(STATE)


def test_missing_counters_are_filled(tmp_path):
    path = written(tmp_path, {name: value for name, value in STATE.items() if "num_batches" not in name})
    found = filled(path)
    assert all(torch.equal(found[name], STATE[name]) for name in FLOATS)


@pytest.mark.parametrize("dtype", weights.FLOATS, ids=str)
def test_floats_of_every_width_are_taken(tmp_path, dtype):
    found = filled(written(tmp_path, floats(lambda value: value.to(dtype))))
    for name in FLOATS:
        assert found[name].dtype == torch.float32 and torch.equal(found[name], STATE[name].to(dtype).float())


@pytest.mark.parametrize(
    "dtype", [torch.float8_e4m3fn, torch.float8_e5m2, torch.int8, torch.uint8, torch.int64, torch.bool], ids=str
)
def test_what_is_no_plain_float_is_refused_by_its_type_and_name(tmp_path, dtype):
    path = written(tmp_path, STATE | {"2.weight": STATE["2.weight"].to(dtype)})
    assert f"mine.safetensors holds 2.weight as {dtype}, wanted is torch.float32; write it as one of" in refusal(path)


def test_complex_weights_are_refused(tmp_path):
    path = written(tmp_path, STATE | {"2.bias": STATE["2.bias"].to(torch.complex64)})
    assert "holds 2.bias as torch.complex64, wanted is torch.float32" in refusal(path)


def test_counters_are_whole_numbers(tmp_path):
    counter = next(name for name in STATE if "num_batches" in name)
    assert filled(written(tmp_path, STATE | {counter: torch.tensor(7, dtype=torch.int32)}))[counter] == 7
    said = refusal(written(tmp_path, STATE | {counter: torch.tensor(7.0)}))
    assert f"holds {counter} as torch.float32, wanted is torch.int64" in said


@pytest.mark.parametrize("value", [torch.nan, torch.inf, -torch.inf])
def test_what_is_no_number_is_refused(tmp_path, value):
    path = written(tmp_path, STATE | {"2.bias": torch.full((10,), value)})
    assert "holds NaN or infinity in 2.bias" in refusal(path)


def test_doubles_that_no_float_can_hold_are_refused(tmp_path):
    path = written(tmp_path, STATE | {"2.bias": torch.full((10,), 1e300, dtype=torch.float64)})
    assert "holds NaN or infinity in 2.bias" in refusal(path)


def test_a_first_dimension_of_1_is_said(tmp_path):
    said = refusal(written(tmp_path, STATE | {"2.weight": STATE["2.weight"][None]}))
    assert "of 2.weight it has (1, 10, 64), wanted is (10, 64); a first dimension of 1 is all that differs" in said


def test_other_names_are_shown_beside_those_that_are_wanted(tmp_path):
    said = refusal(written(tmp_path, {f"layer{number}.w": torch.ones(2) for number in range(9)}))
    assert "it has layer0.w, layer1.w, layer2.w ..., wanted are 1.0.weight, 1.1.bias, 1.1.running_mean" in said
    assert "does not fit" in refusal(written(tmp_path, {}))


def test_tied_weights_that_were_written_once_are_found(tmp_path):
    """As safetensors.torch.save_model writes them."""

    class Tied(nn.Module):
        def __init__(self):
            super().__init__()
            self.one, self.other = nn.Linear(3, 3), nn.Linear(3, 3)
            self.other.weight = self.one.weight

    saved, fresh = Tied(), Tied()
    save_model(saved, str(tmp_path / "tied.safetensors"))
    assert len(weights.read(tmp_path / "tied.safetensors")) == 3
    weights.filled(fresh, tmp_path / "tied.safetensors")
    assert storage.digest(fresh.state_dict()) == storage.digest(saved.state_dict())


# Several files


def sharded(folder: Path, places: dict[str, str] | None = None) -> Path:
    for number in (1, 2):
        part = {name: value for place, (name, value) in enumerate(STATE.items()) if place % 2 == number - 1}
        written(folder, part, f"model-0000{number}-of-00002.safetensors")
    own = {name: f"model-0000{1 + place % 2}-of-00002.safetensors" for place, name in enumerate(STATE)}
    index = folder / "model.safetensors.index.json"
    index.write_text(json.dumps({"metadata": {"total_size": 1}, "weight_map": own | (places or {})}))
    return index


def test_shards_are_read_by_their_index_or_folder(tmp_path):
    index = sharded(tmp_path)
    for path in (index, tmp_path):
        assert storage.digest(filled(path)) == storage.digest(STATE)


def test_a_folder_is_its_only_file(tmp_path):
    written(tmp_path, STATE)
    (tmp_path / "._mine.safetensors").write_bytes(b"a Mac's")
    assert storage.digest(filled(tmp_path)) == storage.digest(STATE)
    written(tmp_path, STATE, "other.safetensors")
    assert "holds 2 safetensors files, or indices of such; name the one to take" in refusal(tmp_path)


def test_a_folder_without_weights_is_refused(tmp_path):
    assert "holds 0 safetensors files" in refusal(tmp_path)


def test_a_missing_shard_is_named(tmp_path):
    index = sharded(tmp_path)
    (tmp_path / "model-00002-of-00002.safetensors").unlink()
    assert "names model-00002-of-00002.safetensors, which is not beside it; get all 2 shards" in refusal(index)


@pytest.mark.parametrize(
    "place", ["../mine.safetensors", "/etc/passwd", "..", "", "a/b.safetensors", "a\\b.safetensors", "x.bin", 3, None]
)
def test_shards_lie_beside_their_index(tmp_path, place):
    (tmp_path / "inner").mkdir()
    written(tmp_path, STATE)
    index = sharded(tmp_path / "inner", {"2.bias": place})
    assert "names shards that are no safetensors files in its own folder" in refusal(index)


def test_an_index_and_its_shards_must_agree(tmp_path):
    index = sharded(
        tmp_path, {"2.bias": "model-00001-of-00002.safetensors", "2.weight": "model-00001-of-00002.safetensors"}
    )
    assert "and its shards do not agree on where 2." in refusal(index)
    assert "do not agree on where absent is" in refusal(
        sharded(tmp_path, {"absent": "model-00001-of-00002.safetensors"})
    )


@pytest.mark.parametrize(
    "text", ["", "{", "[]", "3", "{}", '{"weight_map": {}}', '{"weight_map": []}', '{"weight_map": 3}', "[" * 10_000]
)
def test_what_is_no_index_is_refused(tmp_path, text):
    index = sharded(tmp_path)
    index.write_text(text)
    assert "is no index of safetensors files: its weight_map must name each tensor's" in refusal(index)


def test_an_index_that_is_no_text_is_refused(tmp_path):
    index = sharded(tmp_path)
    index.write_bytes(b"\xff\xfe\x00")
    assert "is no index of safetensors files" in refusal(index)


# Other files


class Marks:
    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self):
        return Path.touch, (self.path,)


@pytest.mark.parametrize("name", ["mine.pt", "pytorch_model.bin", "mine.pth", "mine.safetensors"])
@pytest.mark.parametrize("zipped", [True, False])
def test_pickles_are_not_opened_and_how_to_convert_them_is_said(tmp_path, name, zipped):
    marker = tmp_path / "marker"
    torch.save({"weight": Marks(marker)}, tmp_path / name, _use_new_zipfile_serialization=zipped)
    said = refusal(tmp_path / name)
    assert f"is no safetensors file; write one with safetensors.torch.save_file(torch.load('{name}'" in said
    assert not marker.exists()


def test_other_files_are_refused(tmp_path):
    path = tmp_path / "mine.safetensors"
    path.write_text("version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 12\n")
    assert "is no safetensors file but Git LFS's pointer to one; run git lfs pull" in refusal(path)
    for content in (b"", b"GGUF\x03\x00", b"\x89HDF\r\n\x1a\n", b"{}"):
        path.write_bytes(content)
        assert "is no safetensors file; write one with" in refusal(path)
    assert "does not exist" in refusal(tmp_path / "absent")


@pytest.mark.parametrize("dtype", ["F8_E8M0", "F4", "F6_E2M3", "I4", "Q4"])
def test_numbers_that_torch_cannot_read_are_one_sentence(tmp_path, dtype):
    header = json.dumps({"w": {"dtype": dtype, "shape": [8], "data_offsets": [0, 8]}}).encode()
    path = tmp_path / "odd.safetensors"
    path.write_bytes(len(header).to_bytes(8, "little") + header + bytes(8))
    assert "odd.safetensors" in refusal(path)


def test_weights_that_do_not_work_in_the_network_are_refused_before_the_source_is_touched(study, tmp_path):
    path = written(tmp_path, floats(lambda value: value * 1e30))
    with pytest.raises(UserError, match="makes NaN or infinity|responds to an input alone otherwise"):
        source_model.source(study, epochs=1, learning_rate=1e-2, weights=str(path))
    assert not places.artifacts_dir().exists()


WHOLE = save({name: STATE[name].clone() for name in ("2.weight", "2.bias", "1.1.num_batches_tracked")})


@settings(max_examples=400)
@given(
    st.lists(st.tuples(st.integers(0, 600), st.integers(0, 255)), max_size=4),
    st.integers(0, len(WHOLE)) | st.just(len(WHOLE)),
    st.binary(max_size=3),
)
@example([(0, 255), (1, 255), (7, 255)], len(WHOLE), b"")
def test_any_bytes_are_what_safetensors_reads_or_one_sentence(changes, length, more):
    content = bytearray(WHOLE[:length] + more)
    for place, value in changes:
        if place < len(content):
            content[place] = value
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "mine.safetensors"
        path.write_bytes(content)
        try:
            found = weights.read(path)
        except UserError as error:
            assert str(path) in str(error) and "\n" not in str(error)
            with pytest.raises(Exception):  # noqa: B017 (whatever safetensors raises)
                load(bytes(content))
            return
        assert storage.digest(found) == storage.digest(load_file(path))


@settings(max_examples=100)
@given(
    st.recursive(
        st.none() | st.integers() | st.text(max_size=9),
        lambda inner: st.lists(inner) | st.dictionaries(st.text(max_size=9), inner),
        max_leaves=8,
    ),
    st.integers(0, 99),
)
def test_any_index_is_read_or_refused(content, seed):
    draw = random.Random(seed)
    with tempfile.TemporaryDirectory() as folder:
        index = sharded(Path(folder))
        whole = json.loads(index.read_text())
        name = draw.choice(list(whole["weight_map"]))
        for change in (content, {"weight_map": content}, {"weight_map": whole["weight_map"] | {name: content}}):
            index.write_text(json.dumps(change))
            with pytest.raises(UserError, match="model.safetensors.index.json"):
                weights.read(index)
