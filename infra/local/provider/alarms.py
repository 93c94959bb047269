"""CloudWatch: alarms and dashboards."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from infra.local.provider.resource import Aws, Created, Found, Inputs, Kind, in_order_of, reported

_TEXTS = {
    "alarmDescription": "AlarmDescription",
    "namespace": "Namespace",
    "metricName": "MetricName",
    "statistic": "Statistic",
    "comparisonOperator": "ComparisonOperator",
    "treatMissingData": "TreatMissingData",
}
_NUMBERS = {
    "period": "Period",
    "evaluationPeriods": "EvaluationPeriods",
    "datapointsToAlarm": "DatapointsToAlarm",
}
_ACTIONS = {"alarmActions": "AlarmActions", "okActions": "OKActions"}
_DEFAULTS = {
    "alarmDescription": "",
    "treatMissingData": "missing",
    "actionsEnabled": True,
    "alarmActions": [],
    "okActions": [],
}
"""Source: API reference of PutMetricAlarm."""


def _put_alarm(aws: Aws, inputs: Inputs, tags: dict[str, Any]) -> None:
    # Put replaces all of it, so that what is not given any more is gone.
    texts = {theirs: inputs[ours] for ours, theirs in _TEXTS.items() if ours in inputs}
    numbers = {theirs: int(inputs[ours]) for ours, theirs in _NUMBERS.items() if ours in inputs}
    actions = {theirs: list(inputs.get(ours, ())) for ours, theirs in _ACTIONS.items()}
    aws.client("cloudwatch").put_metric_alarm(
        AlarmName=inputs["name"],
        Dimensions=[{"Name": key, "Value": value} for key, value in inputs.get("dimensions", {}).items()],
        Threshold=inputs["threshold"],
        ActionsEnabled=inputs.get("actionsEnabled", True),
        **texts,
        **numbers,
        **actions,
        **tags,
    )


def _alarm_outputs(aws: Aws, alarm: str) -> dict[str, Any]:
    return {"arn": aws.arn("cloudwatch", f"alarm:{alarm}")}


def _create_alarm(aws: Aws, _name: str, inputs: Inputs) -> Created:
    _put_alarm(aws, inputs, {"Tags": aws.tag_list})
    return Created(inputs["name"], _alarm_outputs(aws, inputs["name"]))


def _read_alarm(aws: Aws, alarm: str, known: Inputs) -> Found | None:
    for found in aws.client("cloudwatch").describe_alarms(AlarmNames=[alarm])["MetricAlarms"]:
        dimensions = {entry["Name"]: entry["Value"] for entry in found.get("Dimensions", ())}
        actions = {
            ours: in_order_of(known.get(ours), found.get(theirs, ())) for ours, theirs in _ACTIONS.items()
        }
        inputs = {
            "name": alarm,
            "dimensions": dimensions or None,
            "threshold": found["Threshold"],
            "actionsEnabled": found["ActionsEnabled"],
            **{ours: found.get(theirs) for ours, theirs in {**_TEXTS, **_NUMBERS}.items()},
            **actions,
        }
        return Found(reported(inputs, known, _DEFAULTS), _alarm_outputs(aws, alarm))
    return None


def _update_alarm(aws: Aws, _alarm: str, _old: Inputs, new: Inputs) -> Mapping[str, Any]:
    # Tags are for new alarms only. Source: API reference of PutMetricAlarm.
    _put_alarm(aws, new, {})
    return {}


def _delete_alarm(aws: Aws, alarm: str, _known: Inputs) -> None:
    aws.client("cloudwatch").delete_alarms(AlarmNames=[alarm])


def _create_dashboard(aws: Aws, _name: str, inputs: Inputs) -> Created:
    dashboard = inputs["dashboardName"]
    _put_dashboard(aws, dashboard, {}, inputs)
    return Created(dashboard, _dashboard_outputs(aws, dashboard))


def _dashboard_outputs(aws: Aws, dashboard: str) -> dict[str, Any]:
    # Dashboards belong to no region.
    return {"dashboardArn": f"arn:aws:cloudwatch::{aws.account_id}:dashboard/{dashboard}"}


def _put_dashboard(aws: Aws, dashboard: str, _old: Inputs, new: Inputs) -> Mapping[str, Any]:
    aws.client("cloudwatch").put_dashboard(DashboardName=dashboard, DashboardBody=new["dashboardBody"])
    return {}


def _read_dashboard(aws: Aws, dashboard: str, _known: Inputs) -> Found:
    body = aws.client("cloudwatch").get_dashboard(DashboardName=dashboard)["DashboardBody"]
    inputs = {"dashboardName": dashboard, "dashboardBody": body}
    return Found(inputs, _dashboard_outputs(aws, dashboard))


def _delete_dashboard(aws: Aws, dashboard: str, _known: Inputs) -> None:
    aws.client("cloudwatch").delete_dashboards(DashboardNames=[dashboard])


KINDS: dict[str, Kind] = {
    "aws:cloudwatch/metricAlarm:MetricAlarm": Kind(
        _create_alarm,
        _read_alarm,
        _delete_alarm,
        _update_alarm,
        fixed=frozenset({"name"}),
        named="name",
    ),
    "aws:cloudwatch/dashboard:Dashboard": Kind(
        _create_dashboard,
        _read_dashboard,
        _delete_dashboard,
        _put_dashboard,
        fixed=frozenset({"dashboardName"}),
        named="dashboardName",
    ),
}
