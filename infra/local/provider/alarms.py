"""SQS, CloudWatch alarms and dashboards."""

from __future__ import annotations

from infra.local.provider.resource import Aws, Created, Creator, Inputs, physical_name


def _queue(aws: Aws, name: str, inputs: Inputs) -> Created:
    sqs, queue = aws.client("sqs"), physical_name(name, inputs)
    url = sqs.create_queue(
        QueueName=queue,
        Attributes={
            "KmsMasterKeyId": inputs["kmsMasterKeyId"],
            "MessageRetentionPeriod": str(int(inputs["messageRetentionSeconds"])),
            "VisibilityTimeout": str(int(inputs["visibilityTimeoutSeconds"])),
        },
        tags=dict(aws.tags),
    )["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    return Created(url, {"name": queue, "arn": arn, "url": url})


def _queue_policy(aws: Aws, _name: str, inputs: Inputs) -> Created:
    aws.client("sqs").set_queue_attributes(
        QueueUrl=inputs["queueUrl"], Attributes={"Policy": inputs["policy"]}
    )
    return Created(inputs["queueUrl"])


def _metric_alarm(aws: Aws, name: str, inputs: Inputs) -> Created:
    alarm = physical_name(name, inputs)
    aws.client("cloudwatch").put_metric_alarm(
        AlarmName=alarm,
        AlarmDescription=inputs["alarmDescription"],
        Namespace=inputs["namespace"],
        MetricName=inputs["metricName"],
        Dimensions=[{"Name": key, "Value": value} for key, value in inputs["dimensions"].items()],
        Statistic=inputs["statistic"],
        Period=int(inputs["period"]),
        EvaluationPeriods=int(inputs["evaluationPeriods"]),
        DatapointsToAlarm=int(inputs["datapointsToAlarm"]),
        ComparisonOperator=inputs["comparisonOperator"],
        Threshold=inputs["threshold"],
        TreatMissingData=inputs["treatMissingData"],
        AlarmActions=inputs["alarmActions"],
        OKActions=inputs["okActions"],
        Tags=aws.tag_list,
    )
    arn = f"arn:aws:cloudwatch:{aws.region}:{aws.account_id}:alarm:{alarm}"
    return Created(alarm, {"name": alarm, "arn": arn})


def _dashboard(aws: Aws, name: str, inputs: Inputs) -> Created:
    dashboard = physical_name(name, inputs, "dashboardName")
    aws.client("cloudwatch").put_dashboard(DashboardName=dashboard, DashboardBody=inputs["dashboardBody"])
    return Created(dashboard)


CREATORS: dict[str, Creator] = {
    "aws:sqs/queue:Queue": _queue,
    "aws:sqs/queuePolicy:QueuePolicy": _queue_policy,
    "aws:cloudwatch/metricAlarm:MetricAlarm": _metric_alarm,
    "aws:cloudwatch/dashboard:Dashboard": _dashboard,
}
