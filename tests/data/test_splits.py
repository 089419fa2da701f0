"""Who may see which example: parts are disjoint, complete, stratified, and depend on name, sizes and split seed only.

Identity is checked by content, not by index: what counts is that no party meets another's image.
"""

from collections import Counter
from itertools import combinations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from fingerprinting.core.errors import UserError
from fingerprinting.core.runtime import seed_everything
from fingerprinting.data import splits
from fingerprinting.data.datasets import Dataset, Examples
from fingerprinting.study.study import Study

PARTS = ("owner", "attacker", "reference", "dev", "test")
CLASSES = ("cat", "dog", "ship")


def examples(first: int, count: int) -> Examples:
    """`count` distinct examples numbered from `first`; the number is the content, the class goes round."""
    numbers = torch.arange(first, first + count)
    return Examples(numbers[:, None].repeat(1, 3), numbers % len(CLASSES))


def dataset(pool: int = 300, test: int = 60, dev: int = 0, name: str = "toy") -> Dataset:
    held_out = examples(20_000, dev) if dev else None
    return Dataset(name, CLASSES, examples(0, pool), examples(10_000, test), held_out)


def contents(part: Examples) -> list[int]:
    return part.inputs[:, 0].tolist()


def same(first: dict[str, Examples], second: dict[str, Examples]) -> bool:
    return all(contents(first[name]) == contents(second[name]) for name in PARTS)


@pytest.mark.parametrize("dev", [0, 45])
def test_parts_are_disjoint_and_complete(dev):
    whole = dataset(dev=dev)
    parts = splits.cut(whole, None, 0)
    assert set(parts) == set(PARTS)
    for first, second in combinations(PARTS, 2):
        assert not set(contents(parts[first])) & set(contents(parts[second]))
    pool = contents(whole.pool)
    assert sorted(contents(parts["owner"]) + contents(parts["attacker"]) + contents(parts["reference"])) == pool
    held_out = contents(whole.test) + (contents(whole.dev) if dev else [])
    assert sorted(contents(parts["dev"]) + contents(parts["test"])) == held_out


@pytest.mark.parametrize("pool_size", [None, 100, 299])
def test_every_part_has_its_share_of_every_class(pool_size):
    parts = splits.cut(dataset(pool=331, test=64), pool_size, 0)
    share = min(1, pool_size / 331) if pool_size else 1
    for label in range(len(CLASSES)):
        in_pool = int((torch.arange(331) % 3 == label).sum())
        in_test = int((torch.arange(10_000, 10_064) % 3 == label).sum())
        expected = {name: share * in_pool * fraction for name, fraction in splits.PARTIES.items()}
        expected |= dict.fromkeys(("dev", "test"), share * in_test / 2)
        for name, count in expected.items():
            assert abs(int((parts[name].targets == label).sum()) - count) <= 1


def test_inputs_keep_their_targets():
    for part in splits.cut(dataset(), None, 0).values():
        assert torch.equal(part.inputs[:, 0] % len(CLASSES), part.targets)


def test_a_pool_size_beyond_the_pool_takes_all():
    assert same(splits.cut(dataset(), 10**6, 0), splits.cut(dataset(), None, 0))


def test_the_cut_does_not_depend_on_random_state_or_earlier_calls():
    first = splits.cut(dataset(), 200, 0)
    seed_everything("something else")
    torch.rand(7), np.random.rand(7)
    splits.cut(dataset(pool=120, name="other"), None, 3)
    assert same(first, splits.cut(dataset(), 200, 0))


def test_cutting_draws_nothing_from_global_generators():
    seed_everything("before")
    expected = torch.rand(3), np.random.rand(3)
    seed_everything("before")
    splits.cut(dataset(), None, 0)
    assert torch.equal(torch.rand(3), expected[0])
    assert np.array_equal(np.random.rand(3), expected[1])


@pytest.mark.parametrize(
    "other", [(dataset(), 1), (dataset(name="another"), 0), (dataset(pool=303), 0)], ids=["seed", "name", "size"]
)
def test_the_cut_depends_on_seed_name_and_size(other):
    assert not same(splits.cut(dataset(), None, 0), splits.cut(other[0], None, other[1]))


@given(
    st.lists(st.integers(0, 4), min_size=1, max_size=120),
    st.lists(st.integers(1, 9), min_size=1, max_size=5),
    st.integers(0, 2**63 - 1),
)
def test_stratified_is_a_partition_with_exact_shares(labels, weights, seed):
    fractions = {f"part {number}": weight / sum(weights) for number, weight in enumerate(weights)}
    labels = torch.tensor(labels)
    parts = splits.stratified(labels, fractions, seed)
    assert torch.cat(list(parts.values())).sort().values.tolist() == list(range(len(labels)))
    for name, rows in parts.items():
        for label in labels.unique():
            exact = fractions[name] * int((labels == label).sum())
            assert abs(int((labels[rows] == label).sum()) - exact) <= 1


def test_more_examples_of_one_class_leave_the_others_where_they_were():
    labels = torch.arange(90) % 3
    more = torch.cat([labels, torch.full((50,), 2)])
    before = splits.stratified(labels, splits.PARTIES, 5)
    after = splits.stratified(more, splits.PARTIES, 5)
    for name, rows in before.items():
        grown = after[name]
        assert torch.equal(rows[labels[rows] != 2], grown[more[grown] != 2])


@given(st.lists(st.integers(0, 5), min_size=1, max_size=150), st.integers(0, 2**63 - 1))
def test_what_is_dealt_is_a_partition_with_a_share_of_every_stratum(strata, seed):
    strata = torch.tensor(strata)
    parts = splits.dealt(strata, splits.PARTIES, seed)
    assert torch.cat(list(parts.values())).sort().values.tolist() == list(range(len(strata)))
    for name, rows in parts.items():
        assert abs(len(rows) - splits.PARTIES[name] * len(strata)) < 1
        for stratum in strata.unique():
            share = splits.PARTIES[name] * int((strata == stratum).sum())
            assert abs(int((strata[rows] == stratum).sum()) - share) < 2


def test_another_seed_deals_the_same_numbers_of_others():
    strata = torch.arange(60) // 20
    first, second = (splits.dealt(strata, splits.PARTIES, seed) for seed in (0, 1))
    assert all(len(first[name]) == len(second[name]) for name in splits.PARTIES)
    assert not torch.equal(first["owner"], second["owner"])


repeats = st.lists(st.tuples(st.sampled_from(["pool", "test", "dev"]), st.integers(0, 299)), max_size=25)


@given(repeats, repeats, repeats, st.sampled_from([None, 90]))
def test_repeats_never_reach_two_parts(into_pool, into_test, into_dev, pool_size):
    plain = dataset(pool=300, test=120, dev=120)
    sources = {"pool": plain.pool, "test": plain.test, "dev": plain.dev}

    def with_repeats(part: Examples, wanted: list[tuple[str, int]]) -> Examples:
        for name, number in wanted:
            part = part.joined(sources[name].take(torch.tensor([number % len(sources[name])])))
        return part

    spoilt = Dataset(
        "toy",
        CLASSES,
        with_repeats(plain.pool, into_pool),
        with_repeats(plain.test, into_test),
        with_repeats(plain.dev, into_dev),
    )
    parts = splits.cut(spoilt, pool_size, 0)
    found = Counter(number for part in parts.values() for number in contents(part))
    assert max(found.values()) == 1
    if pool_size is None:
        assert set(found) == {number for part in sources.values() for number in contents(part)}
    parties = {number for name in splits.PARTIES for number in contents(parts[name])}
    assert not parties & set(contents(spoilt.test) + contents(spoilt.dev))


def test_a_repeat_inside_the_pool_is_kept_once():
    plain = dataset()
    twice = Dataset("toy", CLASSES, plain.pool.joined(plain.pool), plain.test)
    parts = splits.cut(twice, None, 0)
    assert sum(len(parts[name]) for name in splits.PARTIES) == len(plain.pool)


@pytest.mark.parametrize("part", ["pool", "test"])
def test_a_class_without_examples_is_refused(part):
    plain = dataset()
    lacking = {"pool": plain.pool, "test": plain.test}
    lacking[part] = lacking[part].take(torch.nonzero(lacking[part].targets != 1).flatten())
    with pytest.raises(UserError, match="lacks some of its 3 classes"):
        splits.cut(Dataset("toy", CLASSES, lacking["pool"], lacking["test"]), None, 0)


def test_a_pool_too_small_for_all_parties_is_refused():
    with pytest.raises(UserError, match="give more data or a larger tier"):
        splits.cut(dataset(), 3, 0)


def test_a_pool_that_stands_in_test_is_refused():
    plain = dataset()
    with pytest.raises(UserError):
        splits.cut(Dataset("toy", CLASSES, plain.test, plain.test), None, 0)


def test_every_study_of_a_data_set_reads_the_same_cut(study, data_dir):
    again = Study("cv", "digits", "smoke", workers=2, batch_size=7)
    for name in PARTS:
        assert torch.equal(study.parts[name].inputs, again.parts[name].inputs)
    images = [image.numpy().tobytes() for part in study.parts.values() for image in part.inputs]
    assert len(images) == len(set(images))
    other = Study("cv", "digits", "smoke", split_seed=1)
    assert not torch.equal(study.parts["owner"].inputs, other.parts["owner"].inputs)
