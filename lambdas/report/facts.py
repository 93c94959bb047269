"""What was run, in words and figures. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

from lambdas.contract.report import STEP_PHASES, STEPS
from lambdas.report.analysis import Analysis
from lambdas.report.published import MOST_COMPONENTS, Published

REFUSED_SHOWN = 12
_SHORT_HASH = 12


def subtitle(published: Published) -> str:
    """Which run this is of, and when it ended."""
    status = published.status
    ended = status["history"][-1]["at"] if status.get("history") else status.get("updated_at", "")
    return f"Run {published.plan.run_id}, completed {ended[:16].replace('T', ' ')} UTC"


def table(published: Published) -> list[tuple[str, str]]:
    """Name and value of each fact; what is not known is left out."""
    plan, status, made_by = published.plan, published.status, published.provenance
    featurize: dict[str, Any] = published.metrics.get("featurize") or {}
    rate = featurize.get("images_per_second")
    rows = [
        ("dataset", plan.dataset),
        ("run", plan.run_id),
        ("manifest", f"s3://{plan.manifest.bucket}/{plan.manifest.key}, version {plan.manifest.version_id}"),
        ("photos", _counts(status)),
        ("speed", f"{rate:,.1f} photos a second" if rate else ""),
        ("taken over", _number(featurize.get("images_reused"), "photos unchanged since an earlier run")),
        ("expected", _cost(status.get("estimated_minutes"), status.get("estimated_eur"))),
        ("measured", _measured(status)),
        ("network", f"{made_by['model']} at {made_by['image_size']} pixels, engine {made_by['engine']}"),
        ("model file", f"sha256 {made_by['model_sha256']}"),
        ("weights", f"{made_by['weights']}, sha256 {made_by['weights_sha256']}"),
        ("decoding", f"sha256 {made_by['decoding_sha256']}"),
        ("versions", ", ".join(f"{name} {version}" for name, version in made_by["versions"].items())),
        ("components", _components(published)),
    ]
    return [(name, value) for name, value in rows if value]


def phases(published: Published) -> list[dict[str, Any]]:
    """Wall time by phase, in the order in which they happened; ``percent`` of the longest."""
    measured = published.metrics.get("seconds") or {}
    seconds = [
        (f"{step}: {phase}", float(measured[step][phase]))
        for step in _in_order(measured, STEPS)
        for phase in _in_order(measured[step], STEP_PHASES.get(step, ()))
        if phase != "total"
    ]
    longest = max((spent for _, spent in seconds), default=0) or 1
    return [
        {"name": name, "seconds": f"{spent:,.1f}", "percent": round(100 * spent / longest, 1)}
        for name, spent in seconds
    ]


def _in_order(names: Iterable[str], known: Sequence[str]) -> list[str]:
    """As in ``known``; documents have them by the alphabet. Those of another release come last."""
    return sorted(names, key=lambda name: known.index(name) if name in known else len(known))


def refused(published: Published) -> str:
    """How many photos are in quarantine, and why."""
    if not published.refused:
        return "no photo"
    reasons = Counter(one.reason for one in published.refused)
    counted = ", ".join(f"{count:,} {reason}" for reason, count in reasons.most_common())
    return f"{len(published.refused):,} of {published.status.get('images_in') or 0:,} photos ({counted})"


def variance(published: Published) -> str:
    """What the kept components hold."""
    ratio = published.variance_ratio
    if not ratio:
        return ""
    little = (
        "That is a share of the features' variance, and says little of how well labels can be told apart."
    )
    if len(ratio) == 1:
        return f"1 component was kept; it holds {ratio[0]:.1%} of the variance of the features. {little}"
    half = next((n for n in range(1, len(ratio) + 1) if sum(ratio[:n]) >= sum(ratio) / 2), len(ratio))
    to_half = ", which is" if half == 1 else f", and the first {half}"
    return (
        f"{len(ratio)} components were kept; together they hold {sum(ratio):.1%} of the variance of the "
        f"features, the first alone {ratio[0]:.1%}{to_half} at least half of what all of them hold. {little}"
    )


def made_by(published: Published, found: Analysis) -> str:
    """How this page came to be."""
    compared = f"{found.compared:,} photos were compared by their pixels"
    components = published.photos.scores.shape[1]
    return (
        f"Made by `fruits report` from what run {published.plan.run_id} published: {components} components "
        f"of {len(published.photos.paths):,} photos; {compared}. This file needs no network and sends "
        "nothing."
    )


def _counts(status: dict[str, Any]) -> str:
    if status.get("images_in") is None:
        return ""
    skipped = sum((status.get("images_skipped") or {}).values())
    beside = f"; {skipped:,} other objects were skipped" if skipped else ""
    return (
        f"{status['images_in']:,} in = {status['images_featurized']:,} with features + "
        f"{status['images_quarantined']:,} in quarantine{beside}"
    )


def _components(published: Published) -> str:
    kept = len(published.variance_ratio) or published.photos.scores.shape[1]
    of = "standardised features" if published.plan.pca.standardize else "features"
    compared = f"; the first {MOST_COMPONENTS} are compared here" if kept > MOST_COMPONENTS else ""
    return f"{kept} of {published.status.get('feature_dim') or '?'} {of}{compared}"


def _cost(minutes: float | None, eur: float | None) -> str:
    return "" if minutes is None or eur is None else f"{minutes:,.0f} minutes, {eur:.2f} EUR"


def _measured(status: dict[str, Any]) -> str:
    if status.get("actual_eur") is None:
        return ""
    return (
        f"{status['actual_eur']:.2f} EUR for {status.get('instance_hours') or 0:.2f} instance hours, by list "
        f"prices of {status.get('prices_as_of')}; an estimate, not a bill"
    )


def _number(value: int | None, what: str) -> str:
    return f"{value:,} {what}" if value else ""
