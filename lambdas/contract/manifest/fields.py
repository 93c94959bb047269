"""The manifest's field types: what a single value must be, and what to answer when it is not."""

from __future__ import annotations

import json
from collections.abc import Collection
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, WithJsonSchema
from pydantic_core import PydanticCustomError

from lambdas.contract import s3uri
from lambdas.contract.cost import prices
from lambdas.contract.cost.estimate import MAX_RUNTIME_MINUTES
from lambdas.contract.label_pattern import NO_GROUP, PatternError, compile_pattern
from lambdas.contract.layout import PCA_SUMMARY
from lambdas.contract.manifest.faults import describe, nearest
from lambdas.contract.object_keys import key_problem
from lambdas.contract.run import MAX_DATASET_LENGTH, MAX_RUN_ID_LENGTH

FAULT = "fault"
"""The pydantic error type of our own findings, whose context holds problem, remedy and nearest."""

MAX_PATTERN_LENGTH = 200
DATASET_PATTERN = f"^[a-z0-9][a-z0-9-]{{0,{MAX_DATASET_LENGTH - 1}}}$"
RUN_ID_PATTERN = f"^[a-z0-9][a-z0-9.-]{{0,{MAX_RUN_ID_LENGTH - 1}}}$"
"""Wider than run ids are but for their length, so that of a mistyped one the nearest can be named."""


class Section(BaseModel):
    """An object of a manifest: of known keys alone, and with nothing taken for what it is not."""

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)


def fault(problem: str, remedy: str, nearest: str | None = None) -> PydanticCustomError:
    """An error for a pydantic validator to raise; error_messages makes it a :class:`Fault` again."""
    return PydanticCustomError(FAULT, "{problem}", {"problem": problem, "remedy": remedy, "nearest": nearest})


def _not_null(value: Any) -> Any:
    if value is None:
        raise fault("is null", "Leave the key out instead.")
    return value


def _whole_number(value: Any) -> Any:
    # Literal[1] would accept true and 1.0, which equal 1 in Python.
    if type(value) is not int:
        raise PydanticCustomError("int_type", "not a whole number")
    return value


def _uri(uri: str) -> str:
    if problem := s3uri.problem(uri):
        raise fault(f"is {describe(uri)}, which {problem}", "Write s3://<bucket>/<path>.")
    if problem := key_problem(s3uri.split(uri)[1]):
        raise fault(
            f"is {describe(uri)}, which {problem}; no store client can address such a key",
            "If that is its key, copy the object to another one, and name that.",
        )
    return uri


def _prefix(uri: str) -> str:
    if not uri.endswith("/"):
        raise fault(
            f"is {describe(uri)}, which does not end with '/', so it would also match longer names",
            "End the prefix with '/'.",
            nearest=f"{uri}/",
        )
    return uri


def _model(uri: str) -> str:
    if problem := key_problem(f"{s3uri.split(uri)[1]}{PCA_SUMMARY}"):
        raise fault(
            f"is {describe(uri)}, a folder whose {PCA_SUMMARY} {problem}",
            "Name the folder below models/pca/ of a completed run.",
        )
    return uri


def _object(uri: str) -> str:
    if not s3uri.split(uri)[1] or uri.endswith("/"):
        raise fault(f"is {describe(uri)}, which names no object", "Use images.prefixes for whole folders.")
    return uri


def _distinct(values: tuple[str, ...]) -> tuple[str, ...]:
    seen: set[str] = set()
    for value in values:
        if value in seen:
            raise fault(f"names {value} more than once", "Name it once.")
        seen.add(value)
    return values


def _disjoint(prefixes: tuple[str, ...]) -> tuple[str, ...]:
    for outer in prefixes:
        for inner in prefixes:
            if inner != outer and inner.startswith(outer):
                raise fault(
                    f"holds {inner} and {outer}: images below both would be counted twice",
                    f"Keep {outer} alone, or name folders that do not contain one another.",
                )
    return prefixes


def _pattern(pattern: str) -> str:
    try:
        compile_pattern(pattern)
    except PatternError as error:
        has_no_group = str(error) == NO_GROUP
        raise fault(
            f"is {describe(pattern)}, which {error}",
            "Put parentheses around the part of the path that is the label."
            if has_no_group
            else "Correct it; the syntax is RE2's, and JSON wants every backslash twice.",
            nearest=f"({pattern})" if has_no_group else None,
        ) from error
    return pattern


def _instance_type(name: str) -> str:
    return _priced(name, prices.INSTANCE_TYPES)


def _x86(name: str) -> str:
    if name in prices.INSTANCE_TYPES and name not in prices.X86_TYPES:
        raise fault(
            f"is {describe(name)}, a Graviton type, and workbenches are made for x86-64 types alone",
            f"Use one of: {', '.join(prices.X86_TYPES)}.",
            nearest=nearest(name, prices.X86_TYPES),
        )
    return _priced(name, prices.X86_TYPES)


def _priced(name: str, offered: Collection[str]) -> str:
    if name not in offered:
        raise fault(
            f"is {describe(name)}, an instance type whose price is not known here",
            f"Use one of: {', '.join(offered)}.",
            nearest=nearest(name, offered),
        )
    return name


def _of_one_architecture(names: tuple[str, ...]) -> tuple[str, ...]:
    by_architecture: dict[str, list[str]] = {}
    for name in names:
        by_architecture.setdefault(prices.INSTANCE_TYPES[name].architecture, []).append(name)
    if len(by_architecture) > 1:
        mixed = " and ".join(f"{', '.join(each)} ({of})" for of, each in by_architecture.items())
        choices = " or ".join(json.dumps(each) for each in by_architecture.values())
        raise fault(
            f"holds {mixed}, and the nodes of a cluster install the packages of one architecture",
            f"Keep those of one: {choices}.",
            nearest=json.dumps(max(by_architecture.values(), key=len)),
        )
    return names


WholeNumber = BeforeValidator(_whole_number)

_Prefix = Annotated[str, AfterValidator(_uri), AfterValidator(_prefix)]
_Key = Annotated[str, AfterValidator(_uri), AfterValidator(_object)]
_InstanceType = Annotated[
    str, AfterValidator(_instance_type), Field(json_schema_extra={"enum": sorted(prices.INSTANCE_TYPES)})
]

X86InstanceType = Annotated[
    str, AfterValidator(_x86), Field(json_schema_extra={"enum": sorted(prices.X86_TYPES)})
]
DatasetName = Annotated[
    Annotated[str, Field(pattern=DATASET_PATTERN)] | None,
    BeforeValidator(_not_null),
    WithJsonSchema({"type": "string", "pattern": DATASET_PATTERN}),
]
RunId = Annotated[
    Annotated[str, Field(pattern=RUN_ID_PATTERN)] | None,
    BeforeValidator(_not_null),
    WithJsonSchema({"type": "string", "pattern": RUN_ID_PATTERN}),
]
Prefixes = Annotated[tuple[_Prefix, ...], AfterValidator(_distinct), AfterValidator(_disjoint)]
Keys = Annotated[tuple[_Key, ...], AfterValidator(_distinct)]
Suffixes = tuple[Annotated[str, Field(pattern=r"^\.[A-Za-z0-9]{1,10}$")], ...]
InstanceTypes = Annotated[
    tuple[_InstanceType, ...], AfterValidator(_distinct), AfterValidator(_of_one_architecture)
]
Fraction = Annotated[
    float | None,
    BeforeValidator(_not_null),
    Field(gt=0, lt=1),
    # Without this the schema would allow null, which stands for an absent key only inside the program.
    WithJsonSchema({"type": "number", "exclusiveMinimum": 0, "exclusiveMaximum": 1}),
]
Minutes = Annotated[
    int | None,
    BeforeValidator(_not_null),
    Field(ge=1, le=MAX_RUNTIME_MINUTES),
    WithJsonSchema({"type": "integer", "minimum": 1, "maximum": MAX_RUNTIME_MINUTES}),
]
ModelPrefix = Annotated[
    Annotated[_Prefix, AfterValidator(_model)] | None,
    BeforeValidator(_not_null),
    WithJsonSchema({"type": "string", "pattern": "^s3://.+/$"}),
]
Pattern = Annotated[str, AfterValidator(_pattern), Field(max_length=MAX_PATTERN_LENGTH)]
