"""CloudTrail."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from infra.local.provider.resource import Aws, Created, Found, Inputs, Kind, reported

_PLAIN = {
    "s3BucketName": "S3BucketName",
    "kmsKeyId": "KmsKeyId",
    "enableLogFileValidation": "EnableLogFileValidation",
    "isMultiRegionTrail": "IsMultiRegionTrail",
    "includeGlobalServiceEvents": "IncludeGlobalServiceEvents",
}
"""Our names of what a trail is asked for, and AWS'."""
_CONDITIONS = {"equals": "Equals", "notEquals": "NotEquals", "startsWiths": "StartsWith"}


def _create(aws: Aws, _name: str, inputs: Inputs) -> Created:
    cloudtrail, trail = aws.client("cloudtrail"), inputs["name"]
    made = cloudtrail.create_trail(Name=trail, **_wanted(inputs), TagsList=aws.tag_list)
    _select(cloudtrail, trail, inputs)
    _log(cloudtrail, trail, inputs)
    return Created(made["TrailARN"], {"arn": made["TrailARN"]})


def _wanted(inputs: Inputs) -> dict[str, Any]:
    return {aws: inputs[ours] for ours, aws in _PLAIN.items()}


def _select(cloudtrail: Any, trail: str, inputs: Inputs) -> None:
    selectors = [
        {
            "Name": selector["name"],
            "FieldSelectors": [
                {"Field": field["field"], **_renamed(field, _CONDITIONS)}
                for field in selector["fieldSelectors"]
            ],
        }
        for selector in inputs["advancedEventSelectors"]
    ]
    cloudtrail.put_event_selectors(TrailName=trail, AdvancedEventSelectors=selectors)


def _renamed(values: Mapping[str, Any], names: Mapping[str, str]) -> dict[str, Any]:
    return {names[key]: value for key, value in values.items() if key in names}


def _read(aws: Aws, trail: str, known: Inputs) -> Found:
    cloudtrail = aws.client("cloudtrail")
    about = cloudtrail.get_trail(Name=trail)["Trail"]
    # AWS tells whether files are validated under another name than it is asked for.
    told = {**about, "EnableLogFileValidation": about["LogFileValidationEnabled"]}
    selectors = cloudtrail.get_event_selectors(TrailName=trail)["AdvancedEventSelectors"]
    ours = {aws: name for name, aws in _CONDITIONS.items()}
    inputs = {name: told.get(key) for name, key in _PLAIN.items()} | {
        "name": about["Name"],
        "enableLogging": cloudtrail.get_trail_status(Name=trail)["IsLogging"],
        "advancedEventSelectors": [
            {
                "name": selector["Name"],
                "fieldSelectors": [
                    {"field": field["Field"], **_renamed(field, ours)} for field in selector["FieldSelectors"]
                ],
            }
            for selector in selectors
        ],
    }
    return Found(reported(inputs, known, {"enableLogging": True}), {"arn": about["TrailARN"]})


def _update(aws: Aws, trail: str, _old: Inputs, new: Inputs) -> Mapping[str, Any]:
    cloudtrail = aws.client("cloudtrail")
    cloudtrail.update_trail(Name=trail, **_wanted(new))
    _select(cloudtrail, trail, new)
    _log(cloudtrail, trail, new)
    return {}


def _log(cloudtrail: Any, trail: str, inputs: Inputs) -> None:
    if inputs["enableLogging"]:
        cloudtrail.start_logging(Name=trail)
    else:
        cloudtrail.stop_logging(Name=trail)


def _delete(aws: Aws, trail: str, _known: Inputs) -> None:
    aws.client("cloudtrail").delete_trail(Name=trail)


KINDS: dict[str, Kind] = {
    "aws:cloudtrail/trail:Trail": Kind(
        _create, _read, _delete, _update, fixed=frozenset({"name"}), named="name"
    ),
}
