"""What every data set must be, whoever wrote its loader."""

import numpy as np
import pytest
import torch

from fingerprinting.core.errors import UserError
from fingerprinting.data.datasets import Dataset, Examples

FINE = Examples(torch.rand(2, 3), torch.tensor([0, 1]))


@pytest.mark.parametrize(
    ("labels", "said"),
    [([0, 1, 2], "labels from 0 to 2 for 2 classes"), ([-1, 0, 1], "labels from -1"), ([], "no examples")],
)
@pytest.mark.parametrize("part", ["pool", "test", "dev"])
def test_labels_without_a_class_and_empty_parts_are_refused(labels, said, part):
    odd = Examples(torch.rand(len(labels), 3), torch.tensor(labels, dtype=torch.long))
    with pytest.raises(UserError, match=f"toy .*{said}"):
        Dataset("toy", ("a", "b"), **{"pool": FINE, "test": FINE, "dev": FINE, part: odd})


@pytest.mark.parametrize(
    ("odd", "said"),
    [
        ((FINE.inputs, FINE.targets), "toy has a tuple as a part; its loader must make Examples"),
        (Examples(np.zeros((2, 3)), np.zeros(2)), "toy holds no tensors"),
        (Examples(torch.rand(3, 3), FINE.targets), "toy has 3 inputs and 2 labels in one part"),
        (Examples(torch.rand(2), FINE.targets), r"toy has inputs of shape \(2,\); its loader must give"),
        (Examples(torch.tensor(1.0), FINE.targets), r"toy has inputs of shape \(\); its loader must give"),
        (Examples(torch.rand(2, 4), FINE.targets), "toy has inputs of several shapes"),
        (Examples(FINE.inputs, torch.tensor([0.0, 1.0])), "toy has labels of torch.float32; its loader must give one"),
        (Examples(FINE.inputs, torch.eye(2, dtype=torch.long)), "toy has labels of torch.int64; its loader must"),
        (Examples(FINE.inputs, torch.tensor(1)), "toy has labels of torch.int64; its loader must"),
        (Examples(FINE.inputs > 0, FINE.targets), "toy has inputs of torch.bool; its loader must give float32"),
        (Examples(FINE.inputs.cfloat(), FINE.targets), "toy has inputs of torch.complex64; its loader must"),
        (Examples(FINE.inputs.double(), FINE.targets), "toy has inputs of torch.float64; its loader must give float32"),
        (Examples(FINE.inputs / 0, FINE.targets), "toy has non-finite inputs; its loader must leave them out"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("part", ["test", "dev"])
def test_a_part_that_a_loader_got_wrong_is_named(odd, said, part):
    with pytest.raises(UserError, match=said):
        Dataset("toy", ("a", "b"), **{"pool": FINE, "test": FINE, "dev": FINE, part: odd})


@pytest.mark.parametrize("classes", [("a", "a"), ("a", 1), ("a", ["b"]), ("a", None)])
def test_classes_are_different_texts(classes):
    with pytest.raises(UserError, match="toy has classes .+; its loader must give each a text of its own"):
        Dataset("toy", classes, FINE, FINE)


@pytest.mark.parametrize("groups", [torch.zeros(3), torch.zeros(2, 1), torch.tensor(1)])
@pytest.mark.parametrize("what", ["groups", "strata"])
def test_groups_are_one_for_each_of_the_pool(groups, what):
    with pytest.raises(UserError, match=f"toy has {what} of another number than its pool; its loader must give"):
        Dataset("toy", ("a", "b"), FINE, FINE, **{what: groups})
