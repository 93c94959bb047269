"""Which AWS regions may hold data: those in a member state of the European Union.

Source: AWS "Regions and Availability Zones" and the list of EU member states. A name that
starts with ``eu-`` proves nothing: London and Zurich do, and lie outside the Union.
"""

from __future__ import annotations

EU_REGIONS: dict[str, str] = {
    "eu-west-1": "Ireland",
    "eu-west-3": "Paris",
    "eu-central-1": "Frankfurt",
    "eu-north-1": "Stockholm",
    "eu-south-1": "Milan",
    "eu-south-2": "Spain",
}

PARTITION = "aws"
DNS_SUFFIX = "amazonaws.com"
"""What ARNs of all allowed regions begin with (after ``arn:``), and what their host names end with. Written
here and nowhere else. Source: botocore's partitions, with which a test compares them."""

REFUSED: dict[str, str] = {
    "eu-west-2": "is London, and the United Kingdom left the EU in 2020 (Paris is eu-west-3)",
    "eu-central-2": "is Zurich, and Switzerland is not in the EU",
    "eu-isoe-west-1": "is an isolated region that is not offered to the public",
    "eusc-de-east-1": (
        "is the European Sovereign Cloud: in the EU, but a partition with host names and service principals "
        "of its own, where nothing of this was ever tried"
    ),
}
"""Names that look allowed, and why they are not."""


def region_problem(region: str) -> str | None:
    """Why nothing may be in ``region``; None where it may."""
    if region in EU_REGIONS:
        return None
    why = REFUSED.get(region, "is not in a member state of the EU")
    return f"region {region!r} {why}"


def allowed_regions() -> str:
    """The allowed regions for people: ``eu-west-1 (Ireland), ...``."""
    return ", ".join(f"{name} ({place})" for name, place in EU_REGIONS.items())
