"""EventBridge and SNS."""

from __future__ import annotations

from infra.local.provider.resource import Aws, Created, Creator, Inputs, physical_name


def _rule(aws: Aws, name: str, inputs: Inputs) -> Created:
    rule = physical_name(name, inputs)
    triggers = {"EventPattern": "eventPattern", "ScheduleExpression": "scheduleExpression"}
    trigger = {key: inputs[name] for key, name in triggers.items() if name in inputs}
    made = aws.client("events").put_rule(
        Name=rule,
        Description=inputs["description"],
        **trigger,
        Tags=aws.tag_list,
    )
    return Created(rule, {"name": rule, "arn": made["RuleArn"]})


def _target(aws: Aws, name: str, inputs: Inputs) -> Created:
    target = {
        "Id": name,
        "Arn": inputs["arn"],
        "DeadLetterConfig": {"Arn": inputs["deadLetterConfig"]["arn"]},
    }
    aws.client("events").put_targets(Rule=inputs["rule"], Targets=[target])
    return Created(f"{inputs['rule']}-{name}", {"targetId": name})


def _topic(aws: Aws, name: str, inputs: Inputs) -> Created:
    topic = physical_name(name, inputs)
    made = aws.client("sns").create_topic(
        Name=topic, Attributes={"KmsMasterKeyId": inputs["kmsMasterKeyId"]}, Tags=aws.tag_list
    )
    return Created(made["TopicArn"], {"name": topic, "arn": made["TopicArn"]})


def _subscription(aws: Aws, _name: str, inputs: Inputs) -> Created:
    made = aws.client("sns").subscribe(
        TopicArn=inputs["topic"],
        Protocol=inputs["protocol"],
        Endpoint=inputs["endpoint"],
        ReturnSubscriptionArn=True,
    )
    return Created(made["SubscriptionArn"], {"arn": made["SubscriptionArn"]})


CREATORS: dict[str, Creator] = {
    "aws:cloudwatch/eventRule:EventRule": _rule,
    "aws:cloudwatch/eventTarget:EventTarget": _target,
    "aws:sns/topic:Topic": _topic,
    "aws:sns/topicSubscription:TopicSubscription": _subscription,
}
