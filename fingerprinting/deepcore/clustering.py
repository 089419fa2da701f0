"""Identification by clustering (DeepCore): which models' responses fall together, and which clusters flag."""

from collections.abc import Callable

import numpy as np
from scipy.spatial.distance import pdist, squareform
from sklearn.cluster import AgglomerativeClustering, KMeans, SpectralClustering


def spectral(features: np.ndarray, clusters: int) -> np.ndarray:
    """Affinity exp(-d^2 / median d^2): logits have no scale of their own that a fixed width would fit."""
    squared = pdist(features, "sqeuclidean")
    affinity = np.exp(-squareform(squared) / np.median(squared))
    return SpectralClustering(clusters, affinity="precomputed", random_state=0).fit_predict(affinity)


# Name -> cluster(features (models, D), clusters) -> a cluster's number for each model
ALGORITHMS: dict[str, Callable[[np.ndarray, int], np.ndarray]] = {
    "k-means": lambda features, clusters: KMeans(clusters, n_init=10, random_state=0).fit_predict(features),
    "spectral": spectral,
    "agglomerative": lambda features, clusters: AgglomerativeClustering(clusters).fit_predict(features),
}


def flagged_beside_references(
    cluster: Callable, clusters: int, known: np.ndarray, pirated: np.ndarray, judged: np.ndarray
) -> np.ndarray:
    """(models,) verdicts: each suspect is clustered alone with the owner's own models, known (r, D), pirated (r,).

    It is flagged when its cluster holds a larger share of the owner's stolen models than of the owner's independents;
    alone in a cluster it is not.
    """
    verdicts = []
    for suspect in judged:
        numbers = cluster(np.vstack([known, suspect]), clusters)
        beside = numbers[:-1] == numbers[-1]
        verdicts.append(beside[pirated].mean() > beside[~pirated].mean())
    return np.array(verdicts)


def flagged_together(cluster: Callable, clusters: int, models: np.ndarray, independent: np.ndarray) -> np.ndarray:
    """(models,) verdicts as the paper reads them: all are clustered, whoever is not with most independents is flagged.

    Which cluster that is, is known from the truth about the very models that are judged.
    """
    numbers = cluster(models, clusters)
    return numbers != np.bincount(numbers[independent]).argmax()
