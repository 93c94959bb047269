"""The networks of the door as a person writes them into the stack's configuration."""

from __future__ import annotations

import ipaddress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from infra.config import ConfigInvalid, validate
from infra.policies.networks import network_problem, problems_together
from tests.infra.conftest import preview
from tests.infra.test_config import SPARK, check, faults_of

DOCUMENTATION = tuple(map(ipaddress.ip_network, ("192.0.2.0/24", "198.51.100.0/24", "203.0.113.0/24")))


def test_a_network_that_is_too_wide_or_none_fails_the_preview_with_a_sentence(build: Path) -> None:
    with pytest.raises(ConfigInvalid, match="workbenchCidrs") as refused:
        preview(build, **{"fruits:workbenchCidrs": '["203.0.113.0/24", "203.0.0.0/15", "office"]'})
    (wide, none) = refused.value.faults
    assert wide.startswith("workbenchCidrs: '203.0.0.0/15' has 131,072 addresses")
    assert none.startswith("workbenchCidrs: 'office' is no network")


@pytest.mark.parametrize(
    ("cidr", "words"),
    [
        ("0.0.0.0/0", "4,294,967,296 addresses"),
        ("203.0.0.0/15", "131,072 addresses; name ranges of /16 or narrower"),
        ("203.0.113.5/24", "names a machine and not a network; write 203.0.113.0/24"),
        ("203.0.113.5", "write 203.0.113.5/32"),
        ("2001:db8::/64", "is no IPv4 range"),
        ("2001:db8::1/64", "is no IPv4 range"),
        ("203.0.113.0/255.255.255.0", "is not written as AWS writes networks; write 203.0.113.0/24"),
        ("203.0.113.0/0.0.0.255", "is not written as AWS writes networks; write 203.0.113.0/24"),
        ("203.0.113.0/024", "is not written as AWS writes networks; write 203.0.113.0/24"),
        ("10.1.0.0/16", "nothing comes over the internet"),
        ("100.64.0.0/16", "nothing comes over the internet"),
        ("169.254.0.0/16", "nothing comes over the internet"),
        ("192.168.1.0/24", "nothing comes over the internet"),
        ("198.18.0.0/16", "nothing comes over the internet"),
        ("198.19.255.0/24", "nothing comes over the internet"),
        ("192.0.0.0/24", "nothing comes over the internet"),
        ("192.0.0.0/16", "nothing comes over the internet"),
        ("192.88.99.0/24", "nothing comes over the internet"),
        ("224.0.0.0/16", "nothing comes over the internet"),
        ("255.255.255.255/32", "nothing comes over the internet"),
        ("203.0.113.00/24", "is no network"),
        (" 203.0.113.0/24", "is no network"),
        ("office", "is no network"),
        ("", "is no network"),
    ],
)
def test_what_is_no_public_network_in_aws_notation_is_refused(cidr: str, words: str) -> None:
    assert words in (network_problem(cidr) or "")
    assert f"workbenchCidrs: {cidr!r} " in faults_of(workbenchCidrs=["203.0.113.0/24", cidr])


@pytest.mark.parametrize("cidr", ["203.0.113.0/24", "198.51.0.0/16", "198.51.100.7/32", "192.0.2.0/24"])
def test_a_named_network_is_taken(cidr: str) -> None:
    assert check(workbenchCidrs=[cidr]).workbench_cidrs == (cidr,)


@given(st.ip_addresses(v=4), st.integers(0, 32))
def test_whatever_is_taken_is_narrow_public_and_written_as_it_is(
    address: ipaddress.IPv4Address, prefix: int
) -> None:
    network = ipaddress.IPv4Network((address, prefix), strict=False)
    if network_problem(str(network)) is None:
        assert prefix >= 16
        assert network.is_global or any(map(network.overlaps, DOCUMENTATION))
    assert str(network) == f"{address}/{prefix}" or network_problem(f"{address}/{prefix}") is not None


@pytest.mark.parametrize(
    ("cidrs", "problem"),
    [
        (["203.0.113.0/24"] * 2, "'203.0.113.0/24' is there twice; remove one"),
        (["203.0.113.0/24", "203.0.113.0/255.255.255.0"], "'203.0.113.0/24' is there twice; remove one"),
        (
            ["203.0.113.128/25", "203.0.113.0/24"],
            "'203.0.113.128/25' lies within '203.0.113.0/24', which is there, too; remove one of them",
        ),
        (["198.50.0.0/16", "198.51.0.0/16"], "the networks have 131,072 addresses together"),
        (["198.50.0.0/16", "203.0.113.0/32"], "the networks have 65,537 addresses together"),
        ([f"203.0.113.{number}/32" for number in range(50)], "50 networks are named, and AWS takes 49"),
    ],
)
def test_networks_that_are_one_or_too_many_together_are_refused(cidrs: list[str], problem: str) -> None:
    (found,) = problems_together(cidrs)
    assert problem in found
    assert f"workbenchCidrs: {found}" in faults_of(workbenchCidrs=cidrs)


@pytest.mark.parametrize(
    "cidrs",
    [
        ["198.50.0.0/17", "198.51.0.0/17"],
        [f"203.0.113.{number}/32" for number in range(49)],
    ],
)
def test_networks_up_to_the_limits_are_taken(cidrs: list[str]) -> None:
    values = {"aws:region": "eu-west-1", "workbenchCidrs": cidrs}
    assert validate(values, stack="eu", locked_spark=SPARK).workbench_cidrs == tuple(cidrs)
