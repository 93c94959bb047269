"""The stack, put together. `pulumi up` and the local cloud run this very function."""

from __future__ import annotations

from pathlib import Path

import pulumi
import pulumi_aws as aws

from infra.artifacts import Artifacts, ArtifactsArgs
from infra.config import NodePackages, StackConfig
from infra.emr import ClusterRoles, ClusterRolesArgs
from infra.launcher import Launcher, LauncherArgs
from infra.ledger import Ledger
from infra.place import Place
from infra.reconciler import Reconciler, ReconcilerArgs
from infra.storage import Storage, StorageArgs
from infra.tracker import Tracker, TrackerArgs
from lambdas.contract.layout import MANIFESTS

REPOSITORY = Path(__file__).resolve().parent.parent
BUILD = REPOSITORY / "build"
LOCK_FILE = REPOSITORY / "requirements.lock"


def deploy(config: StackConfig, build: Path) -> dict[str, pulumi.Output[str]]:
    """Declare every resource of the stack and return what it exports.

    Args:
        config: the validated configuration.
        build: the folder that `make package` fills.

    Raises:
        ArtifactMissing: something was not built.
    """
    prefix = f"{pulumi.get_project()}-{pulumi.get_stack()}"
    provider = aws.Provider(
        prefix,
        region=config.region,
        default_tags={
            "tags": {
                "project": pulumi.get_project(),
                "stack": pulumi.get_stack(),
                "managed-by": "pulumi",
            }
        },
    )
    opts = pulumi.ResourceOptions(providers=[provider])
    caller = aws.get_caller_identity_output(opts=pulumi.InvokeOutputOptions(provider=provider))
    place = Place(prefix, config.region, caller.account_id)

    storage = Storage(place, StorageArgs(config.data_bucket_name, config.keep_data_on_destroy), opts)
    ledger = Ledger(place, opts)
    artifacts = Artifacts(
        place,
        ArtifactsArgs(storage.bucket.id, build, config.node_packages is NodePackages.WHEELHOUSE),
        opts,
    )
    roles = ClusterRoles(place, ClusterRolesArgs(storage.bucket.arn, config.image_buckets), opts)
    tracker = Tracker(
        place,
        TrackerArgs(
            archive=build / "tracker.zip",
            storage=storage,
            ledger=ledger,
            notification_email=config.notification_email,
            log_retention_days=config.log_retention_days,
        ),
        opts,
    )
    launching = LauncherArgs(
        archive=build / "launcher.zip",
        storage=storage,
        ledger=ledger,
        artifacts=artifacts,
        roles=roles,
        release_label=config.release_label,
        subnet_ids=config.subnet_ids,
        image_buckets=config.image_buckets,
        limits=config.limits,
        log_retention_days=config.log_retention_days,
    )
    launcher = Launcher(place, launching, opts)
    reconciler = Reconciler(place, ReconcilerArgs(build / "reconciler.zip", launching, tracker), opts)
    bucket = storage.bucket.id
    return {
        "data_bucket": bucket,
        "manifest_prefix": pulumi.Output.concat("s3://", bucket, "/", MANIFESTS),
        "upload_command": pulumi.Output.concat("aws s3 cp manifest.json s3://", bucket, "/", MANIFESTS),
        "launcher_function": launcher.function.name,
        "tracker_function": tracker.function.name,
        "reconciler_function": reconciler.function.name,
        "ledger_table": ledger.table.name,
        "notification_topic": tracker.topic.arn,
    }
