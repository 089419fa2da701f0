"""Fingerprints of a forger's: their arrays make a verdict, or one sentence says that they do not."""

import io
import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fingerprinting.core.errors import UserError
from fingerprinting.fingerprints import store
from fingerprinting.fingerprints.store import Fingerprint
from fingerprinting.judging import arrays, bundle, commitment, statements, verification
from fingerprinting.judging.closing import CLOSING
from fingerprinting.judging.commitment import COMMITMENT, FINGERPRINT
from tests import cases
from tests.cases import Made

ONCE = settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
UNCOUNTED = ("honest_ability", "honest", "thefts", "transfer_honest", "transfer_thefts")
PAIRS = cases.QUERIES * (cases.QUERIES - 1) // 2


def of_references(fingerprint: Fingerprint) -> Fingerprint:
    """The same with the arrays of a fingerprint of SIZE=full."""
    kept = {name: value for name, value in fingerprint.extra.items() if name.startswith(("control", "honest_ability"))}
    extra = {
        "centre": torch.zeros(cases.QUERIES),
        "coefficients": torch.ones(2, cases.QUERIES),
        "intercepts": torch.zeros(2),
        "honest": torch.linspace(0, 3, 19),
        "thefts": torch.linspace(5, 7, 19),
        "transfer_centre": torch.zeros(PAIRS),
        "transfer_coefficients": torch.ones(1, PAIRS),
        "transfer_intercepts": torch.zeros(1),
        "transfer_honest": torch.linspace(0, 3, 9),
        "transfer_thefts": torch.linspace(5, 7, 3),
    }
    return replace(fingerprint, extra=kept | extra)


both = pytest.mark.parametrize("size", ["twins", "full"])


def of_size(made: Made, size: str) -> Fingerprint:
    return made.fingerprint if size == "twins" else of_references(made.fingerprint)


def others(tensor: torch.Tensor) -> st.SearchStrategy[torch.Tensor]:
    """Arrays in its place that it never is."""
    return st.sampled_from(
        [
            tensor[:0],
            tensor[:-1] if tensor.shape[0] > 1 else tensor[:0],
            torch.cat([tensor, tensor]),
            tensor.unsqueeze(0),
            tensor.flatten() if tensor.dim() > 1 else tensor.reshape(-1, 1),
            tensor.to(torch.float16),
            tensor.to(torch.complex64),
            torch.full(tensor.shape, float("nan")),
            torch.full(tensor.shape, float("inf")),
            torch.tensor(1),
        ]
    )


def with_other(fingerprint: Fingerprint, name: str, value: torch.Tensor | None) -> Fingerprint:
    if name in store.TENSORS:
        return replace(fingerprint, **{name: value})
    extra = {key: tensor for key, tensor in fingerprint.extra.items() if key != name}
    return replace(fingerprint, extra=extra if value is None else extra | {name: value})


@both
def test_whole_fingerprints_are_taken(made, size):
    whole = of_size(made, size)
    arrays.check(whole, 10, "it")
    moved = {name: value for name, value in whole.extra.items() if not name.startswith("transfer_")}
    arrays.check(replace(whole, extra=moved), 10, "it")
    older = {name: value for name, value in moved.items() if name != "contributions"}
    arrays.check(replace(whole, extra=older), 10, "it")


@both
@ONCE
@given(data=st.data())
def test_an_array_of_another_shape_or_type_is_refused(made, size, data):
    whole = of_size(made, size)
    name = data.draw(st.sampled_from(sorted({*store.TENSORS, *whole.extra})))
    tensor = getattr(whole, name) if name in store.TENSORS else whole.extra[name]
    other = data.draw(others(tensor))
    if name in UNCOUNTED and other.dim() == 1:
        other = other[:0]  # of these there may be more or fewer, but not none
    with pytest.raises(UserError, match="holds no arrays that a verdict can be passed by"):
        arrays.check(with_other(whole, name, other), 10, "it")


@both
@pytest.mark.parametrize("name", ["control_inputs", "control_truth", "honest_ability", "honest"])
def test_an_array_that_is_lacking_or_too_much_is_refused(made, size, name):
    whole = of_size(made, size)
    for wrong in (with_other(whole, name, None), with_other(whole, "transfer_more", torch.zeros(3))):
        with pytest.raises(UserError, match="holds no arrays that a verdict can be passed by"):
            arrays.check(wrong, 10, "it")


@both
@settings(max_examples=10, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_a_case_of_any_arrays_is_verified_or_refused_in_one_sentence(made, size, tmp_path, data):
    """A forger makes every digest fit; whatever passes the check gives a verdict, or another sentence."""
    whole = of_size(made, size)
    name = data.draw(st.sampled_from(sorted({*store.TENSORS, *whole.extra})))
    tensor = getattr(whole, name) if name in store.TENSORS else whole.extra[name]
    huge = torch.full(tensor.shape, data.draw(st.sampled_from([0, 1, -5, 2**60]))).to(tensor.dtype)
    folder = Path(shutil.copytree(made.queries, tmp_path / "forged", dirs_exist_ok=True))
    store.save(folder / FINGERPRINT, with_other(whole, name, data.draw(others(tensor) | st.just(huge))))
    forge(folder)
    try:
        verification.held_together(folder)
    except UserError as error:
        assert len(str(error).splitlines()) == 1


def forge(folder: Path) -> None:
    """Make all statements fit the fingerprint that lies there."""
    fingerprint = store.read(folder / FINGERPRINT)
    about = json.loads((folder / "queries.json").read_text())
    about |= {"fingerprint_sha256": fingerprint.metadata["sha256"]}
    (folder / "queries.json").write_text(json.dumps(about))
    lines = [json.loads(line) for line in (folder / "responses.jsonl").read_text().splitlines()]
    lines[0] |= {"fingerprint_sha256": fingerprint.metadata["sha256"]}
    (folder / "responses.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    for name, more in ((COMMITMENT, commitment.about(fingerprint)), (CLOSING, {})):
        found = json.loads((folder / name).read_text()) | more
        found["files"] = statements.digests(folder, found["files"])
        (folder / name).write_bytes(statements.written(found))


def test_a_file_that_holds_no_fingerprint_is_refused(made, handed):
    for content in (b"", b"\xff" * 100, (2**40).to_bytes(8, "little") + b"{}", b"\2\0\0\0\0\0\0\0{}"):
        handed.write_bytes(made.path.read_bytes())
        members = bundle.read(handed)
        found = json.loads(members[COMMITMENT])
        found["files"][FINGERPRINT] = statements.sha256(content)
        committed = statements.written(found)
        closed = json.loads(members[CLOSING])
        closed["files"][COMMITMENT] = statements.sha256(committed)
        cases.forged(handed, **{FINGERPRINT: content, COMMITMENT: committed, CLOSING: statements.written(closed)})
        with pytest.raises(UserError, match="^fingerprint.safetensors is damaged or was altered"):
            verification.verify(case=str(handed), signer="", tsa_ca="")


@given(st.integers(1, 4), st.sampled_from(["f4", "i8", ">f4"]))
def test_an_array_is_the_one_that_was_saved(length, kind):
    array, file = np.arange(length, dtype=kind), io.BytesIO()
    np.save(file, array)
    assert arrays.is_saved(file.getvalue(), array)
    for other in (array[1:], array.astype("f8"), array + 1, array.reshape(1, -1)):
        assert not arrays.is_saved(file.getvalue(), other)


@given(st.binary(max_size=60))
def test_whatever_the_bytes_they_are_no_array_of_another(content):
    for head in (b"", b"\x93NUMPY\1\0", b"\x93NUMPY\1\0\x10\0"):
        assert not arrays.is_saved(head + content, np.zeros(3))
