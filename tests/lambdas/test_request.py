"""The request that EMR gets, as a whole: field by field, for given manifests."""

from __future__ import annotations

import dataclasses
from typing import Any

from .test_planning import requested
from .world import SETTINGS

WHEELS = dataclasses.replace(
    SETTINGS,
    bootstrap_key="artifacts/bootstrap-1.sh",
    wheelhouse_prefix="artifacts/wheelhouse-1/",
    reference_wheelhouse_prefix="artifacts/wheelhouse-2/",
)
LOWEST = {"OnDemandSpecification": {"AllocationStrategy": "lowest-price"}}
SPOT = {
    "SpotSpecification": {
        "AllocationStrategy": "price-capacity-optimized",
        "TimeoutDurationMinutes": 10,
        "TimeoutAction": "SWITCH_TO_ON_DEMAND",
    }
}


def worker(name: str, memory: str) -> dict[str, Any]:
    return {
        "InstanceType": name,
        "WeightedCapacity": 1,
        "Configurations": [
            {
                "Classification": "yarn-site",
                "Properties": {"yarn.nodemanager.resource.memory-mb": memory},
            }
        ],
    }


def step(name: str) -> dict[str, Any]:
    return {
        "Name": name,
        "ActionOnFailure": "TERMINATE_CLUSTER",
        "HadoopJarStep": {
            "Jar": "command-runner.jar",
            "Args": [
                *("spark-submit", "--deploy-mode", "client"),
                *("--py-files", "s3://data-bucket/artifacts/job-1.zip"),
                "s3://data-bucket/artifacts/step-1.py",
                name,
                *("--plan", "s3://data-bucket/runs/fruits-0123456789ab/plan.json"),
            ],
        },
    }


def test_a_request_for_spot_workers_of_two_types_in_full() -> None:
    # Executors as wide as the m5.xlarge, of 11392 MB: one fills it, two an r5.2xlarge.
    cluster = {"workers": 4, "instance_types": ["m5.xlarge", "r5.2xlarge"], "market": "spot"}
    types = [worker("m5.xlarge", "12288"), worker("r5.2xlarge", "23680")]
    assert requested(WHEELS, cluster=cluster) == {
        "Name": "fruits-fruits-0123456789ab",
        "ReleaseLabel": "emr-7.12.0",
        "Applications": [{"Name": "Spark"}],
        "LogUri": "s3://data-bucket/logs/",
        "LogEncryptionKmsKeyId": "arn:aws:kms:eu-west-1:123456789012:key/data",
        "SecurityConfiguration": "fruits-eu-1",
        "ServiceRole": "arn:aws:iam::123456789012:role/emr",
        "JobFlowRole": "arn:aws:iam::123456789012:instance-profile/nodes",
        "EbsRootVolumeSize": 30,
        "Instances": {
            "InstanceFleets": [
                {
                    "Name": "primary",
                    "InstanceFleetType": "MASTER",
                    "TargetOnDemandCapacity": 1,
                    "InstanceTypeConfigs": [
                        {"InstanceType": "m5.xlarge", "WeightedCapacity": 1},
                        {"InstanceType": "r5.2xlarge", "WeightedCapacity": 1},
                    ],
                    "LaunchSpecifications": LOWEST,
                },
                {
                    "Name": "core",
                    "InstanceFleetType": "CORE",
                    "TargetOnDemandCapacity": 1,
                    "InstanceTypeConfigs": types,
                    "LaunchSpecifications": LOWEST,
                },
                {
                    "Name": "task",
                    "InstanceFleetType": "TASK",
                    "TargetSpotCapacity": 3,
                    "InstanceTypeConfigs": types,
                    "LaunchSpecifications": SPOT,
                },
            ],
            "KeepJobFlowAliveWhenNoSteps": False,
            "TerminationProtected": False,
            "Ec2SubnetIds": ["subnet-1", "subnet-2"],
            "EmrManagedMasterSecurityGroup": "sg-nodes",
            "EmrManagedSlaveSecurityGroup": "sg-nodes",
            "ServiceAccessSecurityGroup": "sg-service",
        },
        "BootstrapActions": [
            {
                "Name": "install wheels",
                "ScriptBootstrapAction": {
                    "Path": "s3://data-bucket/artifacts/bootstrap-1.sh",
                    "Args": ["s3://data-bucket/artifacts/wheelhouse-1/", "/opt/fruits/venv", "eu-west-1"],
                },
            }
        ],
        "Configurations": [
            {
                "Classification": "spark-defaults",
                "Properties": {
                    "spark.pyspark.python": "/opt/fruits/venv/bin/python",
                    "spark.pyspark.driver.python": "/opt/fruits/venv/bin/python",
                    "spark.driver.memory": "2g",
                    "spark.executor.cores": "4",
                    "spark.executor.memory": "5248m",
                    "spark.executor.memoryOverhead": "6144m",
                    "spark.dynamicAllocation.enabled": "false",
                    "spark.executor.instances": "8",
                    "spark.rpc.askTimeout": "20s",
                    "spark.storage.blockManagerHeartbeatTimeoutMs": "60s",
                    "spark.network.timeoutInterval": "10s",
                    "spark.task.maxFailures": "8",
                    "spark.speculation": "true",
                    "spark.speculation.quantile": "0.9",
                    "spark.speculation.multiplier": "3",
                    "spark.speculation.minTaskRuntime": "60s",
                    "spark.stage.maxConsecutiveAttempts": "8",
                    "spark.executor.maxNumFailures": "64",
                    "spark.driver.extraJavaOptions": "-XX:TieredStopAtLevel=1",
                    "spark.executor.extraJavaOptions": "-XX:TieredStopAtLevel=1",
                },
            },
            {"Classification": "core-site", "Properties": {"fs.s3a.endpoint.region": "eu-west-1"}},
            {
                "Classification": "spark-env",
                "Properties": {},
                "Configurations": [{"Classification": "export", "Properties": {"AWS_REGION": "eu-west-1"}}],
            },
            {
                "Classification": "yarn-site",
                "Properties": {
                    "yarn.node-labels.enabled": "true",
                    "yarn.node-labels.am.default-node-label-expression": "CORE",
                },
            },
        ],
        "Steps": [step("featurize"), step("pca")],
        "Tags": [
            {"Key": "fruits:run_id", "Value": "fruits-0123456789ab"},
            {"Key": "fruits:ledger", "Value": "runs"},
            {"Key": "fruits:dataset", "Value": "fruits"},
            {"Key": "for-use-with-amazon-emr-managed-policies", "Value": "true"},
            {"Key": "project", "Value": "fruits"},
            {"Key": "stack", "Value": "eu"},
        ],
    }


def test_on_demand_the_workers_beside_the_first_are_a_fleet_of_their_own() -> None:
    _, core, task = requested(cluster={"workers": 3})["Instances"]["InstanceFleets"]
    assert task == {
        **core,
        "Name": "task",
        "InstanceFleetType": "TASK",
        "TargetOnDemandCapacity": 2,
    }
    for cluster in ({"workers": 1}, {"workers": 1, "market": "spot"}):
        kinds = [fleet["Name"] for fleet in requested(cluster=cluster)["Instances"]["InstanceFleets"]]
        assert kinds == ["primary", "core"]
