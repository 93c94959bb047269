"""A change of each kind of resource in the local cloud that can be changed where it is."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

from tests.infra.remembered_stack import Resource, Stack


def other_document(text: str) -> str:
    return json.dumps({"Id": "changed", **json.loads(text)})


def new_route_table(stack: Stack) -> str:
    vpc = stack.of("aws:ec2/vpc:Vpc")[0].id
    return str(stack.aws.client("ec2").create_route_table(VpcId=vpc)["RouteTable"]["RouteTableId"])


def other_of(stack: Stack, token: str, resource_id: str) -> Resource:
    return next(resource for resource in stack.of(token) if resource.id != resource_id)


def first_rule(inputs: Mapping[str, Any], **changes: Any) -> list[dict[str, Any]]:
    first, *others = inputs["rules"]
    return [{**first, **changes}, *others]


def encryption_by(key: str) -> dict[str, Any]:
    return {"applyServerSideEncryptionByDefault": {"sseAlgorithm": "aws:kms", "kmsMasterKeyId": key}}


def another_gateway(stack: Stack) -> str:
    made = stack.aws.client("ec2").create_internet_gateway()
    return str(made["InternetGateway"]["InternetGatewayId"])


Change = Callable[[Stack, Mapping[str, Any]], dict[str, Any]]
TAGGED = {"tags": {"owner": "a person"}}
CHANGES: dict[str, Change] = {
    "aws:athena/workgroup:Workgroup": lambda _, given: {
        "description": "Other",
        "configuration": {**given["configuration"], "bytesScannedCutoffPerQuery": 10**8},
    },
    "aws:cloudwatch/dashboard:Dashboard": lambda _, __: {"dashboardBody": '{"widgets": []}'},
    "aws:cloudwatch/eventRule:EventRule": lambda _, __: {"description": "Other", "state": "DISABLED"},
    "aws:cloudwatch/eventTarget:EventTarget": lambda _, __: {"deadLetterConfig": None},
    "aws:cloudwatch/logGroup:LogGroup": lambda _, __: {"retentionInDays": None},
    "aws:cloudwatch/metricAlarm:MetricAlarm": lambda _, __: {
        "threshold": 7,
        "okActions": None,
        "alarmDescription": "Other",
        "datapointsToAlarm": None,
        "dimensions": {"QueueName": "other"},
    },
    "aws:cloudtrail/trail:Trail": lambda _, __: {"enableLogFileValidation": False},
    "aws:dynamodb/table:Table": lambda _, __: {"pointInTimeRecovery": {"enabled": False}},
    "aws:ec2/internetGateway:InternetGateway": lambda _, __: TAGGED,
    "aws:ec2/route:Route": lambda stack, _: {"gatewayId": another_gateway(stack)},
    "aws:ec2/routeTable:RouteTable": lambda _, __: TAGGED,
    "aws:ec2/routeTableAssociation:RouteTableAssociation": lambda stack, _: {
        "routeTableId": new_route_table(stack)
    },
    "aws:ec2/securityGroup:SecurityGroup": lambda _, __: TAGGED,
    "aws:ec2/subnet:Subnet": lambda _, __: {"mapPublicIpOnLaunch": True, "tags": None},
    "aws:ec2/vpc:Vpc": lambda _, __: {"enableDnsHostnames": None, **TAGGED},
    "aws:ec2/vpcEndpoint:VpcEndpoint": lambda stack, _: {"routeTableIds": [new_route_table(stack)], **TAGGED},
    "aws:emr/blockPublicAccessConfiguration:BlockPublicAccessConfiguration": lambda _, given: {
        "blockPublicSecurityGroupRules": not given["blockPublicSecurityGroupRules"]
    },
    "aws:glue/catalogDatabase:CatalogDatabase": lambda _, __: {"description": "Other"},
    "aws:glue/catalogTable:CatalogTable": lambda _, given: {
        "parameters": {**given["parameters"], "projection.enabled": "false"},
        "storageDescriptor": {**given["storageDescriptor"], "columns": [{"name": "x", "type": "string"}]},
    },
    "aws:iam/instanceProfile:InstanceProfile": lambda stack, given: {
        "role": other_of(stack, "aws:iam/role:Role", given["role"]).id
    },
    "aws:iam/role:Role": lambda _, given: {
        # MiniStack ignores empty values of forms, so that a description can be changed but not taken away.
        "description": "Other",
        "maxSessionDuration": 7200,
        "assumeRolePolicy": other_document(given["assumeRolePolicy"]),
    },
    "aws:iam/rolePolicy:RolePolicy": lambda _, given: {"policy": other_document(given["policy"])},
    "aws:kms/alias:Alias": lambda stack, given: {
        "targetKeyId": other_of(stack, "aws:kms/key:Key", given["targetKeyId"]).id
    },
    "aws:kms/key:Key": lambda _, given: {
        "description": "Other",
        "enableKeyRotation": False,
        "policy": other_document(given["policy"]),
    },
    "aws:lambda/function:Function": lambda stack, given: {
        "description": None,
        "timeout": 7,
        "memorySize": None,
        "environment": {"variables": {**given["environment"]["variables"], "MORE": "1"}},
        "kmsKeyArn": next(
            key.known["arn"] for key in stack.of("aws:kms/key:Key") if key.known["arn"] != given["kmsKeyArn"]
        ),
        "tracingConfig": None,
        "loggingConfig": {"logFormat": "Text", "logGroup": "/other"},
        "reservedConcurrentExecutions": 2,
    },
    "aws:lambda/functionEventInvokeConfig:FunctionEventInvokeConfig": lambda _, __: {
        "maximumRetryAttempts": 0,
        "maximumEventAgeInSeconds": 60,
        "destinationConfig": None,
    },
    "aws:lb/listener:Listener": lambda _, __: {"port": 9444, **TAGGED},
    "aws:lb/loadBalancer:LoadBalancer": lambda _, given: {
        "subnets": given["subnets"][:1],
        "securityGroups": [],
        "enableCrossZoneLoadBalancing": None,
        **TAGGED,
    },
    "aws:lb/targetGroup:TargetGroup": lambda _, __: {
        "connectionTermination": None,
        "deregistrationDelay": 60,
        "preserveClientIp": "true",
        **TAGGED,
    },
    "aws:s3/bucketLifecycleConfiguration:BucketLifecycleConfiguration": lambda _, given: {
        "rules": first_rule(given, status="Disabled")
    },
    "aws:s3/bucketLogging:BucketLogging": lambda _, __: {"targetPrefix": "other/"},
    "aws:s3/bucketNotification:BucketNotification": lambda _, given: {
        "lambdaFunctions": [{**given["lambdaFunctions"][0], "filterSuffix": ".other"}]
    },
    "aws:s3/bucketObjectLockConfiguration:BucketObjectLockConfiguration": lambda _, __: {
        "rule": {"defaultRetention": {"mode": "GOVERNANCE", "days": 1}}
    },
    "aws:s3/bucketOwnershipControls:BucketOwnershipControls": lambda _, __: {
        "rule": {"objectOwnership": "ObjectWriter"}
    },
    "aws:s3/bucketPolicy:BucketPolicy": lambda _, given: {"policy": other_document(given["policy"])},
    "aws:s3/bucketPublicAccessBlock:BucketPublicAccessBlock": lambda _, __: {"blockPublicAcls": False},
    "aws:s3/bucketServerSideEncryptionConfiguration:BucketServerSideEncryptionConfiguration": (
        lambda stack, _: {"rules": [encryption_by(stack.of("aws:kms/key:Key")[0].known["arn"])]}
    ),
    "aws:s3/bucketVersioning:BucketVersioning": lambda _, __: {
        "versioningConfiguration": {"status": "Suspended"}
    },
    "aws:sns/topic:Topic": lambda _, __: {"kmsMasterKeyId": None},
    "aws:sqs/queue:Queue": lambda _, __: {
        "visibilityTimeoutSeconds": 7,
        "messageRetentionSeconds": None,
        "kmsMasterKeyId": None,
    },
    "aws:sqs/queuePolicy:QueuePolicy": lambda _, given: {"policy": other_document(given["policy"])},
    "aws:vpc/securityGroupEgressRule:SecurityGroupEgressRule": lambda _, __: {
        "ipProtocol": "udp",
        "fromPort": 7,
        "toPort": 8,
    },
    "aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule": lambda _, __: {
        "ipProtocol": "udp",
        "fromPort": 7,
        "toPort": 8,
    },
}
"""A change that AWS makes in naming, of inputs that it tells; None takes an input away."""
