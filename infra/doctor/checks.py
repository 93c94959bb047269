"""All checks, with what they look at: the one place where facts and judgements are put together."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from infra.components.artifacts import ARM_WHEELHOUSES, has_arm_wheelhouses
from infra.config import NodePackages, validate
from infra.doctor import account, deployed, guards, health, packages, trial, workplace
from infra.doctor.examination import Check, Client, Gate
from infra.doctor.finding import Finding, Status
from infra.doctor.stack import FUNCTIONS, RULES, StackReader
from infra.doctor.workplace import Pulumi
from infra.releases import locked_spark_version

MACHINE, ACCOUNT, STACK = "this machine", "the account", "the stack"


@dataclass(frozen=True)
class Checkout:
    """The repository, its build folder, and the Pulumi CLI's word on the selected stack."""

    repository: Path
    build: Path
    pulumi: Pulumi

    @property
    def lock(self) -> str:
        return (self.repository / "requirements.lock").read_text()

    @property
    def settings(self) -> Mapping[str, str]:
        return self.pulumi.settings or {}

    @property
    def release(self) -> str:
        """The EMR release that would be deployed. Raises ConfigInvalid if the default does not fit."""
        if chosen := self.settings.get("fruits:releaseLabel"):
            return chosen
        spark = locked_spark_version(self.lock)
        return validate({"aws:region": account.ALWAYS_ON}, stack="eu", locked_spark=spark).release_label


def of_machine(checkout: Checkout, shell_prefix: str | None) -> list[Check]:
    """What a deployment needs here. AWS is not asked. ``shell_prefix``: how the names of the stack begin
    that the shell knows, if any."""
    wheelhouse = (
        checkout.settings.get("fruits:nodePackages", NodePackages.WHEELHOUSE) == NodePackages.WHEELHOUSE
    )
    repository, build = checkout.repository, checkout.build

    def wheels() -> list[Finding]:
        found = packages.wheels(packages.read_wheels(repository, build), installed_by_nodes=wheelhouse)
        if wheelhouse and has_arm_wheelhouses(build):
            of_arm = packages.read_wheels(repository, build, ARM_WHEELHOUSES)
            found += packages.wheels(of_arm, installed_by_nodes=True, machines="Graviton machines")
        return found

    looks = {
        "Python": lambda: workplace.python(sys.version_info[:2], workplace.read_installed(), checkout.lock),
        "Pulumi CLI": lambda: workplace.pulumi(checkout.pulumi, checkout.lock),
        "Pulumi stack": lambda: workplace.stack_settings(
            checkout.pulumi, locked_spark_version(checkout.lock), shell_prefix
        ),
        "code": lambda: packages.code(packages.read_artifacts(repository, build)),
        "model": lambda: packages.model(packages.read_model(build / "model")),
        "wheels": wheels,
    }
    return [Check(MACHINE, name, look) for name, look in looks.items()]


def gates(region: tuple[str | None, str], always_on: Client) -> list[Gate]:
    """Who asks, and where: without both, nothing else can be asked. ``region``: its name, and what sets it;
    ``always_on`` makes clients for a region that every account has."""
    name, source = region
    who = Check(ACCOUNT, "identity", lambda: account.identity(always_on))
    where = Check(ACCOUNT, "region", lambda: account.region(account.read_region(name, source, always_on)))
    # Who may not ask about regions may be allowed much else.
    return [Gate(who, Status.REFUSED), Gate(where, Status.FAULT)]


def of_account(checkout: Checkout, region: str, client: Client, *, is_deployed: bool) -> list[Check]:
    """What a deployment and its runs count on in the account and the region."""
    looks = {
        "service-linked roles": lambda: account.service_linked(account.read_service_linked(client)),
        "vCPU quota": lambda: account.quota(account.read_vcpus(client), account.default_cluster_vcpus()),
        "EMR release": lambda: account.emr_release(
            client, checkout.release, locked_spark_version(checkout.lock)
        ),
        "instance types": lambda: account.instance_types(
            account.read_instance_types(client, checkout.release), account.DEFAULT_CLUSTER.instance_types
        ),
        "endpoint services": lambda: account.endpoint_services(
            account.read_endpoint_services(client, region)
        ),
        "EMR public access": lambda: account.block_public_access(
            blocked=account.read_block_public_access(client), deployed=is_deployed
        ),
    }
    return [Check(ACCOUNT, name, look) for name, look in looks.items()]


def of_stack(reader: StackReader, checkout: Checkout) -> list[Check]:
    """What a deployed stack is made of, what protects it, and what happens in it."""

    def functions() -> list[Finding]:
        return deployed.functions(map(reader.function, FUNCTIONS), reader.queue["QueueArn"])

    def rules() -> Iterator[Finding]:
        for part, function in RULES.items():
            yield from deployed.rule(reader.rule(part), f"{reader.prefix}-{function}")

    def buckets() -> Iterator[Finding]:
        for purpose, name in reader.buckets().items():
            # S3 delivers access logs only to buckets with its own key.
            encryption = "AES256" if purpose == "access logs" else "aws:kms"
            yield from guards.bucket(guards.read_bucket(reader, name), encryption=encryption)

    looks = {
        "functions": functions,
        "uploads": lambda: deployed.uploads(reader.uploads(), f"{reader.prefix}-launcher"),
        "rules": rules,
        "version": lambda: deployed.code(deployed.read_code(reader, checkout.build)),
        "artifacts": lambda: deployed.artifacts(deployed.read_missing_artifacts(reader)),
        "network": lambda: deployed.network(deployed.read_network(reader)),
        "cluster roles": lambda: deployed.roles(deployed.read_missing_roles(reader)),
        "cluster security": lambda: guards.cluster_security(reader.security),
        "ledger": lambda: guards.ledger(reader.table),
        "buckets": buckets,
        "keys": lambda: guards.keys(guards.read_keys(reader)),
        "audit trail": lambda: guards.trail(reader.trail),
        "alarms": lambda: health.alarms(reader.alarms, reader.prefix),
        "failure queue": lambda: health.dead_letters(reader.queue),
        "subscriptions": lambda: health.subscriptions(health.read_subscriptions(reader)),
        "clusters": lambda: health.clusters(health.read_clusters(reader, time.time()), reader.ledger.get),
        "cost today": lambda: health.cost_today(
            reader.ledger.admissions(), reader.launching.caps, time.time()
        ),
    }
    return [Check(STACK, name, look) for name, look in looks.items()]


def trial_run(reader: StackReader, say: Callable[[str], None]) -> Check:
    """A small data set through the whole stack; ``say`` gets each new state of its run."""

    def look() -> list[Finding]:
        bucket = reader.settings.data_bucket
        run, images = trial.submit(reader.client("s3"), bucket, seed=time.time_ns())
        seen, seconds = trial.wait(
            lambda: trial.look(reader, run), lambda state: say(f"{run.run_id}: {state}")
        )
        return trial.outcome(run, images, seen, seconds)

    return Check(STACK, "run", look)
