"""Exact principal component analysis from mergeable moments, in float64."""

from __future__ import annotations

from dataclasses import dataclass
from io import BytesIO

import numpy as np
import pyarrow as pa

from lambdas.contract.plan import FEATURE_DIM, PcaSpec
from spark.datasets.arrow_arrays import matrix
from spark.errors import StepFailedError

_ROUNDING = 1e-13
"""Relative standard deviation below which a column is constant: a float32 column that does vary has at
least 1e-10, and the rounding of float64 sums leaves 1e-15."""


@dataclass(frozen=True)
class Moments:
    """Count, mean [d] and scatter matrix [d, d] (sum of outer products about the mean) of rows.

    Merging pairs of them (Chan, Golub and LeVeque 1979) never subtracts large sums of squares from one
    another, so no digits are lost however many rows there are.
    """

    count: int
    mean: np.ndarray
    scatter: np.ndarray

    @classmethod
    def of(cls, rows: np.ndarray) -> Moments:
        """Of an array [n, d]; n may be 0."""
        values = np.asarray(rows, np.float64)
        mean = values.mean(axis=0) if len(values) else np.zeros(values.shape[1])
        centred = values - mean
        return cls(len(values), mean, centred.T @ centred)

    def merge(self, other: Moments) -> Moments:
        """The moments of the rows of both."""
        count = self.count + other.count
        if not count:
            return self
        delta = other.mean - self.mean
        return Moments(
            count,
            self.mean + delta * (other.count / count),
            self.scatter + other.scatter + np.outer(delta, delta) * (self.count * other.count / count),
        )


@dataclass(frozen=True)
class PcaModel:
    """A fitted PCA of k components over d features.

    ``mean`` [d]; ``scale`` [d], what centred features are divided by (ones unless standardised);
    ``components`` [k, d], unit rows, by falling variance; ``explained_variance`` [k], sample variance
    (n - 1) along each; ``explained_variance_ratio`` [k], its share of the total.
    """

    mean: np.ndarray
    scale: np.ndarray
    components: np.ndarray
    explained_variance: np.ndarray
    explained_variance_ratio: np.ndarray

    def transform(self, rows: np.ndarray) -> np.ndarray:
        """Scores of rows [n, d]: float64 [n, k]; their mean over the fitted rows is zero."""
        return np.asarray(((rows - self.mean) / self.scale) @ self.components.T)

    def to_npz(self) -> bytes:
        """The five arrays as ``.npz``. NumPy dates the entries 1980, so the same model is the same bytes."""
        sink = BytesIO()
        np.savez(
            sink,
            mean=self.mean,
            scale=self.scale,
            components=self.components,
            explained_variance=self.explained_variance,
            explained_variance_ratio=self.explained_variance_ratio,
        )
        return sink.getvalue()

    @classmethod
    def from_npz(cls, data: bytes) -> PcaModel:
        """What :meth:`to_npz` wrote."""
        with np.load(BytesIO(data), allow_pickle=False) as arrays:
            return cls(**arrays)


def feature_matrix(table: pa.Table) -> np.ndarray:
    """The ``features`` column of a published part: float32 [n, 1280]."""
    return matrix(table.column("features").combine_chunks(), FEATURE_DIM)


def fit(moments: Moments, spec: PcaSpec) -> PcaModel:
    """The PCA of the rows that ``moments`` describe, standardised first when ``spec`` says so.

    The standard deviation is the sample's (n - 1), as in Spark's StandardScaler; a constant column has
    scale 1 and so contributes nothing.

    Raises:
        StepFailedError: there are fewer than two rows, or they are all equal.
    """
    require_variance(moments.count, float(np.trace(moments.scatter)))
    covariance = moments.scatter / (moments.count - 1)
    scale = np.ones_like(moments.mean)
    if spec.standardize:
        deviation = np.sqrt(np.diag(covariance))
        varies = deviation > _ROUNDING * np.abs(moments.mean)
        scale[varies] = deviation[varies]
        covariance = np.where(np.outer(varies, varies), covariance / np.outer(scale, scale), 0.0)
    variances, vectors = np.linalg.eigh(covariance)
    total = float(np.trace(covariance))
    return truncated(moments.count, moments.mean, scale, vectors.T[::-1], variances[::-1], total, spec)


def require_variance(rows: int, total: float) -> None:
    """Raise StepFailedError unless ``rows`` rows whose squares or variances add up to ``total`` vary."""
    if rows < 2:
        raise StepFailedError("data", f"PCA needs at least two images, {rows} has features", "add images")
    if not total > 0:
        raise StepFailedError("data", f"all {rows} images have the same features", "add different images")


def truncated(
    rows: int,
    mean: np.ndarray,
    scale: np.ndarray,
    directions: np.ndarray,
    variances: np.ndarray,
    total: float,
    spec: PcaSpec,
) -> PcaModel:
    """Keep what ``spec`` asks for of all ``directions`` [d, d] and ``variances`` [d], sorted by variance.

    Of rows in general position only ``rows - 1`` directions exist, and fewer of dependent ones: beyond
    them the asked number is cut. Each direction points where its largest loading is positive.
    """
    floor = variances[0] * len(variances) * np.finfo(np.float64).eps
    exist = min(rows - 1, int(np.count_nonzero(variances > floor)))
    ratio = variances[:exist] / total
    if spec.variance is None:
        kept = min(spec.components or exist, exist)
    else:
        # The last step of a sum of shares may miss 1.0 by rounding.
        kept = min(1 + int(np.count_nonzero(np.cumsum(ratio) < spec.variance - 1e-12)), exist)
    components = directions[:kept]
    largest = np.abs(components).argmax(axis=1)
    signs = np.sign(components[np.arange(kept), largest])
    return PcaModel(mean, scale, components * signs[:, np.newaxis], variances[:kept], ratio[:kept])
