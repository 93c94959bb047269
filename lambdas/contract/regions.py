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
    "eusc-de-east-1": "Brandenburg, European Sovereign Cloud",
}

NOT_EU_DESPITE_THE_NAME: dict[str, str] = {
    "eu-west-2": "is London, and the United Kingdom left the EU in 2020 (Paris is eu-west-3)",
    "eu-central-2": "is Zurich, and Switzerland is not in the EU",
    "eu-isoe-west-1": "is an isolated region that is not offered to the public",
}


def region_problem(region: str) -> str | None:
    """Why data may not be in ``region``; None where it may."""
    if region in EU_REGIONS:
        return None
    why = NOT_EU_DESPITE_THE_NAME.get(region, "is not in a member state of the EU")
    return f"region {region!r} {why}"


def allowed_regions() -> str:
    """The allowed regions for people: ``eu-west-1 (Ireland), ...``."""
    return ", ".join(f"{name} ({place})" for name, place in EU_REGIONS.items())


def partition_of(region: str) -> str:
    """The ARN partition of an allowed region: ``aws`` or ``aws-eusc``."""
    return "aws-eusc" if region.startswith("eusc-") else "aws"


def dns_suffix_of(region: str) -> str:
    """What the host names of an allowed region's services end with. Source: botocore's partitions."""
    return "amazonaws.eu" if partition_of(region) == "aws-eusc" else "amazonaws.com"
