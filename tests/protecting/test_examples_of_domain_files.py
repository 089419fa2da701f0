"""The domain files that docs/your-model.md shows load data, build networks and fit all that steps check."""

import re

import numpy as np
import pytest
import torch

from fingerprinting.core.places import REPOSITORY
from fingerprinting.study import checkpoints, trace
from fingerprinting.study.study import Study
from tests.protecting.conftest import images, recordings

TEXT = (REPOSITORY / "docs" / "your-model.md").read_text(encoding="utf-8")
EXAMPLES = dict(re.findall(r"^(\w+):\n\n```python\n(.*?)```", TEXT, re.DOTALL | re.MULTILINE))


@pytest.mark.parametrize("name", ["Images", "Texts", "EEG"])
def test_an_example_is_a_whole_domain(mine, name):
    np.savez(mine / "photos.npz", **images(90))
    np.savez(mine / "trials.npz", **recordings(60))
    for word in ("bad", "good"):
        (mine / f"{word}.txt").write_text("".join(f"{word} film {place}\n" for place in range(30)))
    (mine / "my_domain.py").write_text(EXAMPLES[name])
    study = Study(str(mine / "my_domain.py"), re.search(r'cpu="(\w+)"', EXAMPLES[name])[1], "cpu", device_name="cpu")
    checkpoints.check(study.domain, "mine", len(study.classes), study.tried, torch.device("cpu"))
    checkpoints.check_perturbed(study.domain, "mine", len(study.classes), study.tried)
    assert trace.head(study.domain, "mine", study.domain.architecture("mine").build(2, study.shape), study.tried)
    assert len(EXAMPLES[name].splitlines()) <= 42
