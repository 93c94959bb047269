"""Everything that was looked for, in the order in which it matters. Pure."""

from __future__ import annotations

from lambdas.report.analysis import Analysis
from lambdas.report.finding import Finding
from lambdas.report.misfit_findings import label_errors, label_runs, outliers
from lambdas.report.published import Photos
from lambdas.report.set_findings import alike_classes, leaks, same_views, small_classes

UNTRAINED = (
    "Not looked for: the network's weights are untrained, random numbers, and what they make of a photo says "
    "nothing of what is on it. Run again with trained weights."
)

UNLABELLED = (
    "Not looked for: the photos have no labels. A manifest's `label` says how they are derived from paths."
)


def findings_of(found: Analysis, photos: Photos, *, is_trained: bool) -> list[Finding]:
    """Everything that was looked for, what matters most first."""
    judged = [
        label_errors(found.misfits.errors, found, photos),
        label_runs(found.misfits.runs, found, photos),
        outliers(found.misfits.outliers, found, photos),
    ]
    alike = alike_classes(found.alike, found, photos)
    why_not = UNTRAINED if not is_trained else "" if photos.names else UNLABELLED
    if why_not:
        judged, alike = [_not_looked_for(one, why_not) for one in judged], _not_looked_for(alike, why_not)
    return [
        *judged,
        same_views(found, photos),
        leaks(found, photos),
        alike,
        small_classes(found.small, photos),
    ]


def _not_looked_for(one: Finding, why: str) -> Finding:
    return Finding(one.id, one.title, None, one.unit, why, one.how)
