"""CloudTrail."""

from __future__ import annotations

from typing import Any

from infra.local.provider.resource import Aws, Created, Creator, Inputs, physical_name


def _trail(aws: Aws, name: str, inputs: Inputs) -> Created:
    cloudtrail, trail = aws.client("cloudtrail"), physical_name(name, inputs)
    made = cloudtrail.create_trail(
        Name=trail,
        S3BucketName=inputs["s3BucketName"],
        KmsKeyId=inputs["kmsKeyId"],
        EnableLogFileValidation=inputs["enableLogFileValidation"],
        IsMultiRegionTrail=inputs["isMultiRegionTrail"],
        IncludeGlobalServiceEvents=inputs["includeGlobalServiceEvents"],
        TagsList=aws.tag_list,
    )
    cloudtrail.put_event_selectors(
        TrailName=trail,
        AdvancedEventSelectors=[
            {
                "Name": selector["name"],
                "FieldSelectors": [_field(field) for field in selector["fieldSelectors"]],
            }
            for selector in inputs["advancedEventSelectors"]
        ],
    )
    cloudtrail.start_logging(Name=trail)
    return Created(trail, {"name": trail, "arn": made["TrailARN"]})


def _field(inputs: Inputs) -> dict[str, Any]:
    conditions = {"equals": "Equals", "notEquals": "NotEquals", "startsWiths": "StartsWith"}
    return {
        "Field": inputs["field"],
        **{conditions[key]: value for key, value in inputs.items() if key in conditions},
    }


CREATORS: dict[str, Creator] = {"aws:cloudtrail/trail:Trail": _trail}
