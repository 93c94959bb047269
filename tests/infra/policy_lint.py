"""parliament, the linter of IAM policies, over every policy document that a program declares.

It brings its knowledge along, AWS' Service Authorization Reference as it was in April 2025, and asks neither
the network nor an account: which actions there are, on which kinds of resources they work, and under which
condition keys.
"""

from __future__ import annotations

import functools
import importlib.util
import json
import sys
import types
import warnings
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest import mock

import pulumi

OWN_ARN = "arn:aws:kms:eu-west-1:123456789012:key/its-own"
ROLE_ARN = "arn:aws:iam::123456789012:role/its-own"


@dataclass(frozen=True)
class Document:
    """``policy`` is the parsed JSON, ``where`` the resource's type and name, and the property."""

    where: str
    policy: Mapping[str, Any]


@dataclass(frozen=True)
class Finding:
    """``kind`` is parliament's name of a kind of fault, ``where`` the document and the statement's Sid."""

    where: str
    kind: str
    detail: str

    def __str__(self) -> str:
        return f"{self.where}: {self.kind}: {self.detail}"


def documents(declared: Iterable[pulumi.runtime.MockResourceArgs]) -> Iterator[Document]:
    """Every policy document, whatever the property that holds it."""
    for args in declared:
        for name, value in args.inputs.items():
            policy = _parsed(value)
            if isinstance(policy, dict) and "Statement" in policy:
                yield Document(f"{args.typ.rsplit(':', 1)[1]} {args.name} {name}", policy)


def findings(document: Document) -> Iterator[Finding]:
    """What parliament finds, statement by statement."""
    parliament = _import_parliament()
    for statement in document.policy["Statement"]:
        where = f"{document.where} {statement.get('Sid', '')}".strip()
        alone = {**document.policy, "Statement": [_with_resource(document, statement)]}
        for found in parliament.analyze_policy_string(
            json.dumps(alone), ignore_private_auditors=True
        ).findings:
            for detail in found.detail if isinstance(found.detail, list) else [found.detail]:
                yield Finding(where, found.issue, _told(detail))


def _with_resource(document: Document, statement: Mapping[str, Any]) -> Mapping[str, Any]:
    """A trust policy names no resource, and a key's policy ``*``: both mean what they are attached to."""
    if document.where.startswith("Key "):
        return {**statement, "Resource": OWN_ARN}
    if document.where.endswith(" assumeRolePolicy"):
        return {**statement, "Resource": ROLE_ARN}
    return statement


def _told(detail: object) -> str:
    if isinstance(detail, dict):
        return f"{detail['action']} works on {detail['required_format']}"
    return str(detail)


@functools.cache
def _import_parliament() -> Any:
    # It asks pkg_resources, which setuptools 82 no longer has, where two files lie, and leaves them open.
    stand_in = types.ModuleType("pkg_resources")
    vars(stand_in)["resource_filename"] = _file_of
    with mock.patch.dict(sys.modules, {"pkg_resources": stand_in}), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return importlib.import_module("parliament")


def _file_of(package: str, name: str) -> str:
    spec = importlib.util.find_spec(package)
    assert spec is not None
    assert spec.origin is not None
    return str(Path(spec.origin).parent / name)


def _parsed(value: object) -> object:
    if not isinstance(value, str):
        return value
    try:
        return json.loads(value)
    except ValueError:
        return None
