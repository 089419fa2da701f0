"""Dataset Inference (Maini et al., ICLR 2021), black box: a model is surer of the examples that it was trained on."""

import torch

from fingerprinting.data.datasets import Examples, physical
from fingerprinting.fingerprints import registry
from fingerprinting.fingerprints.distances import shortfall
from fingerprinting.fingerprints.owner import Owner, Queries
from fingerprinting.fingerprints.queries.fuap import initial_perceptron
from fingerprinting.fingerprints.registry import Method
from fingerprinting.fingerprints.representations import membership, membership_confidence, steps_until_flip
from fingerprinting.training.trainer import predict

AT_ONCE = 16  # examples that are walked away from and asked about before the next: 50 steps of 30 walks take memory


DATASET_INFERENCE_POINTS = dict(smoke=10, quick=200, cpu=10, paper=50)  # of each part in the sample, at most half
DATASET_INFERENCE_FITTED = dict(smoke=20, quick=1_000, cpu=500, paper=500)  # of each part for the regressor
DATASET_INFERENCE_DIRECTIONS = dict(smoke=1, quick=1, cpu=10, paper=10)  # of each of three kinds of noise (paper: 10)
DATASET_INFERENCE_STEPS = dict(smoke=5, quick=5, cpu=50, paper=50)  # of a walk (released code: 50)
DATASET_INFERENCE_STEP = dict(
    cv=dict(smoke=0.05, quick=0.05, cpu=0.005, paper=0.005), bci=dict(smoke=2.5, quick=2.5, cpu=0.25, paper=0.25)
)  # scale of a step's noise (released code: 0.005): the same length of walk in every tier; EEG: microvolt
DATASET_INFERENCE_HIDDEN = 100  # units of the regressor (released code)
DATASET_INFERENCE_EPOCHS = 1_000  # of the regressor (released code)
DATASET_INFERENCE_LEARNING_RATE = 0.1  # of the regressor (released code)


def dataset_inference(
    owner: Owner,
    n: int,
    *,
    points: int,
    fitted: int,
    directions: int,
    steps: int,
    step: float,
    hidden: int,
    epochs: int,
    learning_rate: float,
) -> Queries:
    """One sample of `points` training examples and as many held-out ones, each walked away from in random directions.

    The method fixes its own number of queries, whatever n is: 2 * points * walks * steps, in that order, where walks
    are `directions` of each kind of noise. extra: the regressor, learnt from the source on `fitted` other examples of
    each part, and which points of the sample are training examples.
    """
    bounds, movable = owner.movable(), owner.recorded
    shuffled = [
        part.take(torch.randperm(len(part), generator=owner.generator(name)))
        for name, part in (("training", owner.part), ("held out", owner.dev))
    ]
    count = min(points, *[len(part) // 2 for part in shuffled])
    sample, inside = _joined(shuffled, slice(0, count))
    others, others_inside = _joined(shuffled, slice(count, count + fitted))
    inputs, others_inputs = physical(sample.inputs), physical(others.inputs)
    noise, others_noise = (
        noises(some, directions, step * movable, owner.generator(purpose))
        for purpose, some in (("sample", inputs), ("fitted", others_inputs))
    )
    asked = walked(inputs, noise, steps, bounds)
    flips = torch.cat(
        [
            steps_until_flip(_labels(owner, walked(some, away, steps, bounds)), truth)
            for some, away, truth in zip(
                *(part.split(AT_ONCE) for part in (others_inputs, others_noise, others.targets)), strict=True
            )
        ]
    )
    weights = regressor(flips, others_inside, hidden, epochs, learning_rate, owner.generator("regressor"))
    queries = Queries(
        asked.flatten(0, 2),
        sample.targets.repeat_interleave(asked.shape[1] * asked.shape[2]),
        {**weights, "inside": inside, "steps": torch.tensor(steps)},
    )
    print(f"dataset_inference fixes its own number of queries: {len(queries.inputs)} about {2 * count} examples")
    return queries


registry.add(
    Method("dataset_inference", "labels", membership, shortfall, judges="source"),
    queries=dataset_inference,
    least=dict(directions=1, steps=1, points=2, fitted=2),
)


def _joined(parts: list[Examples], rows: slice) -> tuple[Examples, torch.Tensor]:
    """The same rows of a training and a held-out part, and a mask of those that are training examples."""
    training, held_out = (Examples(part.inputs[rows], part.targets[rows]) for part in parts)
    return training.joined(held_out), torch.arange(len(training) + len(held_out)) < len(training)


def _labels(owner: Owner, walks: torch.Tensor) -> torch.Tensor:
    """The source's labels (N, walks, steps) along walks (N, walks, steps, ...)."""
    return predict(owner.source, walks.flatten(0, 2), owner.device).argmax(1).view(walks.shape[:3])


def noises(inputs: torch.Tensor, directions: int, step: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    """For inputs (N, ...) what each step of their walks adds (N, walks, ...): `directions` of each kind of noise.

    It is uniform or normal with scale `step`, or Laplace with twice that (the released code's proportion).
    """
    shape = (len(inputs), directions, *inputs.shape[1:])
    uniform, centred = (2 * torch.rand(shape, generator=generator) - 1 for _ in range(2))
    normal = torch.randn(shape, generator=generator)
    # By the inverse of its distribution function; rand() may be 0, of which the logarithm is infinite.
    laplace = -2 * centred.sign() * torch.log1p(-centred.abs().clamp_max(1 - 1e-6))
    return step * torch.cat([uniform, normal, laplace], 1)


def walked(inputs: torch.Tensor, noise: torch.Tensor, steps: int, bounds: tuple[float, float]) -> torch.Tensor:
    """Inputs (N, ...) and noise (N, walks, ...) -> (N, walks, steps, ...): 1 to `steps` times the same noise away.

    The blind walk of the released code.
    """
    counts = torch.arange(1, steps + 1).view(-1, *[1] * (inputs.dim() - 1))
    return (inputs[:, None, None] + counts * noise[:, :, None]).clamp(*bounds)


def regressor(
    flips: torch.Tensor,
    inside: torch.Tensor,
    hidden: int,
    epochs: int,
    learning_rate: float,
    generator: torch.Generator,
) -> dict[str, torch.Tensor]:
    """Weights of `membership_confidence` from steps until the flip (N, walks) and who is a training example (N,).

    As released: gradient descent on -mean(confidence * (1 inside, -1 outside)), all examples at once.
    """
    scale = {"mean": flips.mean(0), "deviation": flips.std(0, correction=0).clamp_min(1e-6)}
    weights = initial_perceptron((flips.shape[1], hidden, 1), generator)
    weights = {name: value.requires_grad_(True) for name, value in weights.items()}
    optimizer = torch.optim.SGD(weights.values(), lr=learning_rate)
    sign = torch.where(inside, 1.0, -1.0)
    for _ in range(epochs):
        loss = -(sign * membership_confidence(flips, scale | weights)).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return scale | {name: value.detach() for name, value in weights.items()}
