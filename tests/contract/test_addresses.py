"""S3 addresses and regions: what is right passes, what is wrong is named."""

from __future__ import annotations

import pytest

from lambdas.contract import s3uri
from lambdas.contract.regions import EU_REGIONS, REFUSED, allowed_regions, region_problem


@pytest.mark.parametrize(
    ("uri", "bucket", "key"),
    [
        ("s3://bkt/some/key", "bkt", "some/key"),
        ("s3://bkt/", "bkt", ""),
        ("s3://bkt", "bkt", ""),
        ("s3://bkt//double", "bkt", "/double"),
        ("s3://bkt/s3://", "bkt", "s3://"),
    ],
)
def test_an_address_is_split_at_its_first_slash(uri: str, bucket: str, key: str) -> None:
    assert s3uri.split(uri) == (bucket, key)


@pytest.mark.parametrize(
    "uri",
    [
        "s3://abc/",
        "s3://a-b.c9/key with spaces",
        f"s3://{'b' * 63}/k",
        f"s3://bkt/{'k' * 1024}",
        "s3://bkt/\N{SNOWMAN}",
        "s3://1.2.3/k",
        "s3://bkt/a b",
    ],
)
def test_an_address_that_s3_allows_has_no_problem(uri: str) -> None:
    assert s3uri.problem(uri) is None


@pytest.mark.parametrize("bucket", ["ab", "b" * 64, "-ab", "ab-", "a..b", "A_b", "10.20.30.40", ""])
def test_a_bucket_that_s3_would_refuse_is_named_with_the_rule(bucket: str) -> None:
    assert s3uri.problem(f"s3://{bucket}/k") == (
        f"names the bucket {bucket!r}, but bucket names have 3 to 63 lower-case letters, digits, dots and "
        "hyphens, start and end with a letter or digit, and are no IP address"
    )


@pytest.mark.parametrize(
    ("uri", "problem"),
    [
        ("http://bkt/k", "does not start with s3://"),
        ("xs3://bkt/k", "does not start with s3://"),
    ],
)
def test_what_is_wrong_with_an_address_is_said(uri: str, problem: str) -> None:
    assert s3uri.problem(uri) == problem


def test_half_a_surrogate_pair_in_a_key_is_no_crash() -> None:
    assert s3uri.problem("s3://bkt/\ud800") is None
    assert s3uri.problem(f"s3://bkt/{chr(0xD800) * 1024}") is None


@pytest.mark.parametrize("region", EU_REGIONS)
def test_a_region_of_the_eu_has_no_problem(region: str) -> None:
    assert region_problem(region) is None


def test_a_region_elsewhere_is_named_with_the_reason() -> None:
    assert region_problem("us-east-1") == "region 'us-east-1' is not in a member state of the EU"
    for region, reason in REFUSED.items():
        assert region_problem(region) == f"region {region!r} {reason}"


def test_the_allowed_regions_are_listed_with_their_places() -> None:
    assert allowed_regions() == (
        "eu-west-1 (Ireland), eu-west-3 (Paris), eu-central-1 (Frankfurt), eu-north-1 (Stockholm), "
        "eu-south-1 (Milan), eu-south-2 (Spain)"
    )
