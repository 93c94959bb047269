"""From pydantic's validation errors to faults in plain words."""

from __future__ import annotations

import json
from typing import Any, get_args

from pydantic import BaseModel, Discriminator, ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails

from lambdas.contract.manifest.faults import Fault, describe, json_path, nearest
from lambdas.contract.manifest.fields import FAULT

_EXPECTED = {
    "string_type": "a text in double quotes",
    "string_unicode": "a text of valid Unicode characters",
    "int_type": "a whole number, without quotes",
    "float_type": "a number, without quotes",
    "bool_type": "true or false, without quotes",
    "tuple_type": "a list: [...]",
    "model_type": "an object: {...}",
}

_BOUNDS = {
    "greater_than_equal": ("ge", "the smallest value is {}", "more"),
    "greater_than": ("gt", "it must be more than {}", None),
    "less_than_equal": ("le", "the largest value is {}", "less"),
    "less_than": ("lt", "it must be less than {}", None),
}
"""The bound's name, what is wrong, and which way values go on from the bound if it is allowed itself."""

Location = tuple[str | int, ...]


def faults_of(error: ValidationError, document: Any, model: type[BaseModel]) -> list[Fault]:
    """One fault for each error that is the user's, in pydantic's order (the order of the schema).

    ``document`` is what was validated against ``model``.
    """
    faults = (
        _fault(details, document, model) for details in error.errors(include_url=False, include_input=False)
    )
    return [fault for fault in faults if fault is not None]


def _fault(details: ErrorDetails, document: Any, model: type[BaseModel]) -> Fault | None:
    location = _without_tag(details["loc"], model)
    path, kind, context = json_path(location), details["type"], details.get("ctx", {})
    field = _field_at(model, location)
    if kind == FAULT:
        return Fault(path, context["problem"], context["remedy"], context["nearest"])
    if kind == "missing":
        return Fault(path, "is missing", _remedy(field, verb="Add it"))
    if kind == "extra_forbidden":
        return _unknown_key(path, location, model)
    value = _value_at(document, location)
    if kind in ("too_short", "too_long") and isinstance(value, list):
        return _wrong_length(path, value, context)
    if kind == "literal_error":
        return _wrong_choice(path, value, field)
    if kind in _EXPECTED:
        return Fault(path, f"is {describe(value)}; it must be {_EXPECTED[kind]}", _remedy(field))
    if kind in _BOUNDS:
        bound, text, beyond = _BOUNDS[kind]
        limit = f"{context[bound]:g}"
        problem = f"is {describe(value)}; {text.format(limit)}"
        if beyond is None:
            return Fault(path, problem, _remedy(field))
        return Fault(path, problem, f"Write {limit} or {beyond}.", limit)
    if kind == "too_long":
        limit = f"it may have {context['max_length']} characters"
        return Fault(path, f"is {describe(value)}, {len(value)} characters; {limit}", "Shorten it.")
    return Fault(path, f"is {describe(value)}, which does not have the right form", _remedy(field))


def _without_tag(location: Location, model: type[BaseModel]) -> Location:
    """pydantic names the member of a tagged union between its field and what is inside."""
    field = model.model_fields.get(str(location[0])) if location else None
    tagged = field is not None and any(isinstance(part, Discriminator) for part in field.metadata)
    return (location[0], *location[2:]) if tagged else location


def _remedy(field: FieldInfo | None, verb: str = "Correct it") -> str:
    if field is None:
        return "Compare the manifest with the published schema."
    example = f", for example {json.dumps(field.examples[0])}" if field.examples else ""
    return f"{verb}{example}. {field.description}"


def _unknown_key(path: str, location: Location, model: type[BaseModel]) -> Fault:
    word = str(location[-1])
    section = _model_at(model, location[:-1])
    known = list(section.model_fields)
    elsewhere = {
        key: f"{name}.{key}"
        for name, field in model.model_fields.items()
        if (inner := _model_in(field.annotation))
        for key in inner.model_fields
    }
    meant = nearest(word, known) or elsewhere.get(word)
    remedy = f"Did you mean {meant}? " if meant else "Remove it. "
    return Fault(path, "is not a known key", f"{remedy}Known keys here: {', '.join(known)}.", meant)


def _wrong_length(path: str, value: Any, context: dict[str, Any]) -> Fault | None:
    low, high = context.get("min_length"), context.get("max_length")
    if low is not None and len(value) >= low:
        return None  # pydantic counts only the valid entries; each bad one has its own fault
    if low is not None:
        return Fault(path, "is an empty list", f"List at least {low}, or leave the key out.")
    return Fault(path, f"has {len(value)} entries; the most is {high}", "Shorten the list.")


def _wrong_choice(path: str, value: Any, field: FieldInfo | None) -> Fault:
    choices = [str(choice) for choice in _choices(field.annotation if field else None)]
    problem = f"is {describe(value)}; it must be one of: {', '.join(choices)}"
    meant = nearest(value, choices) if isinstance(value, str) else None
    remedy = f"Did you mean {meant}?" if meant else f"Write one of: {', '.join(choices)}."
    return Fault(path, problem, remedy, meant)


def _choices(annotation: Any) -> list[str | int]:
    """The alternatives of a Literal, also inside Annotated and unions."""
    found: list[str | int] = []
    for argument in get_args(annotation):
        found += [argument] if isinstance(argument, str | int) else _choices(argument)
    return found


def _model_in(annotation: Any) -> type[BaseModel] | None:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next((found for argument in get_args(annotation) if (found := _model_in(argument))), None)


def _model_at(model: type[BaseModel], location: Location) -> type[BaseModel]:
    for step in location:
        model = _model_in(model.model_fields[str(step)].annotation) or model
    return model


def _field_at(model: type[BaseModel], location: Location) -> FieldInfo | None:
    keys = [step for step in location if isinstance(step, str)]
    return _model_at(model, tuple(keys[:-1])).model_fields.get(keys[-1]) if keys else None


def _value_at(document: Any, location: Location) -> Any:
    for step in location:
        document = document[step]
    return document
