"""The stack, put together. `pulumi up` and the local cloud run this very function."""

from __future__ import annotations

from pathlib import Path

import pulumi
import pulumi_aws as aws

from infra.components.alarms import Alarms, AlarmsArgs
from infra.components.artifacts import Artifacts, ArtifactsArgs, check_artifacts, read_model
from infra.components.audit import AccessLogs, Audit, AuditArgs
from infra.components.catalog import Catalog, CatalogArgs
from infra.components.cluster_roles import ClusterRoles, ClusterRolesArgs
from infra.components.cluster_security import ClusterSecurity, ClusterSecurityArgs
from infra.components.dashboard import Dashboard, DashboardArgs
from infra.components.door import Door, DoorArgs
from infra.components.failure_queue import FailureQueue
from infra.components.keys import Keys
from infra.components.launcher import Launcher, LauncherArgs
from infra.components.ledger import Ledger
from infra.components.network import Network, NetworkArgs
from infra.components.reconciler import Reconciler, ReconcilerArgs
from infra.components.storage import Storage, StorageArgs
from infra.components.tracker import Tracker, TrackerArgs
from infra.config import NodePackages, StackConfig
from infra.deployed import read_deployed
from infra.kept import Kept, read_kept, write_kept, write_owner
from infra.naming import Naming
from infra.shell import lines_for_shell
from lambdas.contract.layout import MANIFESTS
from lambdas.contract.model_package import UNTRAINED

REPOSITORY = Path(__file__).resolve().parent.parent
BUILD = REPOSITORY / "build"
LOCK_FILE = REPOSITORY / "requirements.lock"
NO_WEIGHTS = (
    "the packaged model has untrained weights, so features will mean nothing; "
    "`make package WEIGHTS=<file>`, then deploy again"
)
BUCKET = "aws:s3/bucket:Bucket"
TABLE = "aws:dynamodb/table:Table"
KEY = "aws:kms/key:Key"
KEPT_RESOURCES = (
    (BUCKET, "data"),
    (BUCKET, "access-logs"),
    (BUCKET, "audit"),
    (TABLE, "runs"),
    (KEY, "data"),
    (KEY, "control"),
    (KEY, "audit"),
)
"""Type and end of the name of what a stack that keeps its data leaves."""


def deploy(config: StackConfig, build: Path) -> dict[str, pulumi.Output[str]]:
    """Declare every resource of the stack and return what it exports.

    Args:
        config: the validated configuration.
        build: the folder that `make package` fills.

    Raises:
        ArtifactMissing, ArtifactUnusable: something was not built, or is no good any more.
        CannotMove: this stack has data under another name, or in another region.
        CannotAdopt: there is no kept data where the configuration says so.
    """
    wheelhouse = config.node_packages is NodePackages.WHEELHOUSE
    check_artifacts(build, region=config.region, wheelhouse=wheelhouse)
    # On nodes that come with everything, as emulators' do, people try things out.
    if wheelhouse and read_model(build / "model").weights == UNTRAINED:
        pulumi.log.warn(NO_WEIGHTS)
    prefix = f"{pulumi.get_project()}-{pulumi.get_stack()}"
    deployed = read_deployed()
    deployed.check_place(prefix, config.region)
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
        **(config.emulator.provider_arguments() if config.emulator else {}),
    )
    opts = pulumi.ResourceOptions(providers=[provider])
    bucket_name = deployed.name_of(
        BUCKET, f"{prefix}-data", config.adopt or config.data_bucket_name, key="bucket"
    )
    adopted = Kept()
    # All of it again where an adoption broke off: what is there already stays as it is.
    if config.adopt and not deployed.has(*((token, f"{prefix}-{part}") for token, part in KEPT_RESOURCES)):
        adopted = read_kept(config.adopt, provider, ours=deployed.has((BUCKET, f"{prefix}-data")))
    caller = aws.get_caller_identity_output(opts=pulumi.InvokeOutputOptions(provider=provider))
    naming = Naming(prefix, config.region, caller.account_id)

    keep = config.keep_data_on_destroy
    workbenches = bool(config.workbench_cidrs)
    keys = Keys(naming, keep_data=keep, adopted=adopted, passwords=workbenches, opts=opts)
    access_logs = AccessLogs(
        naming,
        keep=keep,
        retention_days=config.audit_retention_days,
        bucket_name=deployed.name_of(
            BUCKET, f"{prefix}-access-logs", adopted.access_logs_bucket, key="bucket"
        ),
        adopted=adopted.access_logs_bucket,
        opts=opts,
    )
    storage = Storage(
        naming,
        StorageArgs(
            bucket_name=bucket_name,
            adopted=adopted.data_bucket,
            keep_data=keep,
            key=keys.data,
            access_logs=access_logs,
            log_retention_days=config.log_retention_days,
            data_retention_days=config.data_retention_days,
        ),
        opts,
    )
    audit = Audit(
        naming,
        AuditArgs(
            watched=storage.bucket,
            access_logs=access_logs,
            key=keys.audit,
            keep=keep,
            retention_days=config.audit_retention_days,
            bucket_name=deployed.name_of(BUCKET, f"{prefix}-audit", adopted.audit_bucket, key="bucket"),
            adopted=adopted.audit_bucket,
        ),
        opts,
    )
    ledger = Ledger(
        naming,
        keys.control,
        keep=keep,
        table_name=deployed.name_of(TABLE, f"{prefix}-runs", adopted.ledger_table, key="name"),
        adopted=adopted.ledger_table,
        opts=opts,
    )
    written = pulumi.ResourceOptions.merge(opts, pulumi.ResourceOptions(depends_on=[storage.encrypted]))
    write_owner(prefix, storage.bucket.id, written)
    if keep:
        write_kept(
            prefix,
            storage.bucket.id,
            {
                "data_bucket": storage.bucket.id,
                "access_logs_bucket": access_logs.bucket_name,
                "audit_bucket": audit.bucket.id,
                "ledger_table": ledger.table.name,
                "data_key": keys.data.key_id,
                "control_key": keys.control.key_id,
                "audit_key": keys.audit.key_id,
            },
            written,
        )
    failures = FailureQueue(naming, keys.control, opts)
    network = Network(
        naming,
        NetworkArgs(
            bucket_arn=storage.bucket.arn,
            image_buckets=config.image_buckets,
            key_arns=[keys.data.arn, keys.nodes.arn],
        ),
        opts,
    )
    artifacts = Artifacts(
        naming,
        ArtifactsArgs(storage, build, wheelhouse, workbenches),
        opts,
    )
    security = ClusterSecurity(
        naming,
        ClusterSecurityArgs(
            data_key_arn=keys.data.arn,
            disk_key_arn=keys.nodes.arn,
            certificates=pulumi.Output.concat("s3://", storage.bucket.id, "/", artifacts.certificates_key),
        ),
        opts,
    )
    roles = ClusterRoles(
        naming,
        ClusterRolesArgs(
            bucket_arn=storage.bucket.arn,
            image_buckets=config.image_buckets,
            data_key_arn=keys.data.arn,
            disk_key_arn=keys.nodes.arn,
            workbenches=workbenches,
        ),
        opts,
    )
    door = (
        Door(naming, DoorArgs(config.workbench_cidrs, network, keys.control), opts) if workbenches else None
    )
    tracker = Tracker(
        naming,
        TrackerArgs(
            archive=build / "tracker.zip",
            storage=storage,
            ledger=ledger,
            notification_email=config.notification_email,
            control_key=keys.control,
            log_retention_days=config.log_retention_days,
            failures=failures,
            door=door,
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
        network=network,
        security=security,
        control_key=keys.control,
        image_buckets=config.image_buckets,
        caps=config.caps,
        graviton_speed=config.graviton_speed,
        log_retention_days=config.log_retention_days,
        failures=failures,
        door=door,
    )
    launcher = Launcher(naming, launching, opts)
    reconciler = Reconciler(naming, ReconcilerArgs(build / "reconciler.zip", launching, tracker), opts)
    functions = {
        "launcher": launcher.function,
        "tracker": tracker.function,
        "reconciler": reconciler.function,
    }
    alarms = Alarms(naming, AlarmsArgs(failures.queue, functions, keys.control, config.alarm_emails), opts)
    dashboard = Dashboard(naming, DashboardArgs(failures.queue, functions, alarms.alarms), opts)
    catalog = Catalog(naming, CatalogArgs(storage, after=[dashboard.dashboard]), opts)
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
        "alarm_topic": alarms.topic.arn,
        "dashboard": dashboard.dashboard.dashboard_name,
        "failure_queue": failures.queue.url,
        "results_database": catalog.database.name,
        "query_workgroup": catalog.workgroup.name,
        "node_certificate_expiry": pulumi.Output.from_input(artifacts.certificate_expiry.isoformat()),
        "shell": lines_for_shell(
            naming, config, artifacts, bucket, ledger.table.name, failures.queue.url, functions, door
        ),
    }
