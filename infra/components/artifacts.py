"""What `make package` built, uploaded under names that change with the content.

A run's plan names the very objects that it uses, so a deployment never changes code or model under
a cluster that is already running.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import pulumi
import pulumi_aws as aws

from infra.components import certificates
from infra.components.storage import Storage
from infra.naming import Naming
from infra.target import ARCHITECTURE, ARM
from lambdas.contract.layout import ARTIFACTS, CERTIFICATES
from lambdas.contract.model_package import DESCRIPTION, ModelPackage

BOOTSTRAP_SCRIPT = Path(__file__).parent / "bootstrap.sh"
SETUP_FILES = tuple(
    Path(__file__).parent / "workbench" / name
    for name in ("setup.sh", "hub.py", "activity.py", "kept.py", "start.ipynb", "run_all.ipynb")
)
"""What the set-up step of a workbench runs."""
FUNCTIONS = ("launcher", "tracker", "reconciler")
NODE, NODE_REFERENCE = "node", "node-reference"
WHEELHOUSES = {group: f"wheelhouse-{group}-{ARCHITECTURE}" for group in (NODE, NODE_REFERENCE)}
"""By the dependency group of their packages: every node's, and what the reference engine needs beside it."""
ARM_WHEELHOUSES = {group: f"wheelhouse-{group}-{ARM}" for group in WHEELHOUSES}
"""The same for Graviton machines, which a stack may do without."""
HASH_LENGTH = 12


class ArtifactMissing(pulumi.RunError):
    """Files that the stack uploads were not built."""

    def __init__(self, paths: Sequence[Path]) -> None:
        missing = ", ".join(str(path) for path in paths)
        remedy = "run `make package WEIGHTS=<file>` first"
        if {path.parent.name for path in paths} <= set(WHEELHOUSES.values()):
            remedy += "; or, on the local cloud, `pulumi config set fruits:nodePackages preinstalled`"
        super().__init__(f"missing: {missing}; {remedy}")


class ArtifactUnusable(pulumi.RunError):
    """A file that the stack uploads was built, and is no good (any more)."""

    def __init__(self, path: Path, why: str) -> None:
        super().__init__(f"{path} {why}; delete it and run `make package`")


@dataclass(frozen=True)
class ArtifactsArgs:
    """``build`` is what `make package` fills; ``wheelhouse`` says whether nodes install from it,
    ``workbenches`` whether clusters may be made workbenches."""

    storage: Storage
    build: Path
    wheelhouse: bool
    workbenches: bool


class Artifacts(pulumi.ComponentResource):
    """The job's code, its model and, where nodes need them, their Python packages.

    Keys are relative to the data bucket. Superseded objects stay: a run in flight may still need them.
    """

    def __init__(
        self, naming: Naming, args: ArtifactsArgs, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__("fruits:infra:Artifacts", f"{naming.prefix}-artifacts", None, opts)
        self._storage = args.storage
        self._prefix = naming.prefix
        self.model = read_model(args.build / "model")
        self.job_key = self._upload(args.build / "job.zip", content_key)
        self.step_key = self._upload(args.build / "step.py", content_key)
        # The packager already put the hash into the model's file names.
        self.model_key = self._upload(args.build / "model" / self.model.file, _model_key)
        self.weights_key = self._upload(args.build / "model" / self.model.weights_file, _model_key)
        certificate = args.build / certificates.file_of(naming.region)
        self.certificates_key = self._upload(certificate, _certificates_key)
        self.certificate_expiry = read_expiry(certificate, naming.region)
        self.bootstrap_key = ""
        self.wheelhouse_prefix = ""
        self.reference_wheelhouse_prefix = ""
        self.arm_wheelhouse_prefix = ""
        self.arm_reference_wheelhouse_prefix = ""
        arm = not args.wheelhouse or has_arm_wheelhouses(args.build)
        self.node_architectures = "x86_64,arm64" if arm else "x86_64"
        if args.wheelhouse:
            self.bootstrap_key = self._upload(BOOTSTRAP_SCRIPT, content_key)
            self.wheelhouse_prefix, self.reference_wheelhouse_prefix = self._upload_all(
                args.build, WHEELHOUSES
            )
            if arm:
                self.arm_wheelhouse_prefix, self.arm_reference_wheelhouse_prefix = self._upload_all(
                    args.build, ARM_WHEELHOUSES
                )
        self.workbench_setup_prefix = ""
        if args.workbenches:
            self.workbench_setup_prefix = self._upload_setup()
        self.register_outputs({"job_key": self.job_key, "model_key": self.model_key})

    def _upload(self, path: Path, key_of: Callable[[Path], str]) -> str:
        key = key_of(path)
        aws.s3.BucketObjectv2(
            f"{self._prefix}-{key}",
            bucket=self._storage.bucket.id,
            key=key,
            source=pulumi.FileAsset(str(path)),
            opts=pulumi.ResourceOptions(
                parent=self, retain_on_delete=True, depends_on=[self._storage.encrypted]
            ),
        )
        return key

    def _upload_all(self, build: Path, wheelhouses: Mapping[str, str]) -> tuple[str, str]:
        everywhere, reference = (
            self._upload_folder(build / wheelhouses[group]) for group in (NODE, NODE_REFERENCE)
        )
        return everywhere, reference

    def _upload_setup(self) -> str:
        digest = hashlib.sha256("".join(map(sha256, SETUP_FILES)).encode()).hexdigest()[:HASH_LENGTH]
        prefix = f"{ARTIFACTS}workbench-{digest}/"
        for path in SETUP_FILES:
            self._upload(path, lambda file: f"{prefix}{file.name}")
        return prefix

    def _upload_folder(self, folder: Path) -> str:
        # requirements.txt holds the hash of every wheel, so its own hash stands for the folder's content.
        digest = sha256(folder / "requirements.txt")[:HASH_LENGTH]
        prefix = f"{ARTIFACTS}{folder.name}-{digest}/"
        for path in sorted(folder.glob("*")):
            self._upload(path, lambda file: f"{prefix}{file.name}")
        return prefix


def has_arm_wheelhouses(build: Path) -> bool:
    """Whether the packages of Graviton machines were built."""
    return all((build / folder / "requirements.txt").is_file() for folder in ARM_WHEELHOUSES.values())


def check_artifacts(build: Path, *, region: str, wheelhouse: bool) -> None:
    """Return if everything is there that the stack uploads, with the nodes' wheels if they install those.

    Raises:
        ArtifactMissing: something was not built.
        ArtifactUnusable: the nodes' certificate has ended, or is none.
    """
    certificate = build / certificates.file_of(region)
    model = build / "model" / DESCRIPTION
    wanted = [build / f"{name}.zip" for name in (*FUNCTIONS, "job")]
    wanted += [build / "step.py", certificate, model]
    if model.is_file():
        made = read_model(model.parent)
        wanted += [model.parent / made.file, model.parent / made.weights_file]
    if wheelhouse:
        wanted += [build / folder / "requirements.txt" for folder in WHEELHOUSES.values()]
    if missing := [path for path in wanted if not path.is_file()]:
        raise ArtifactMissing(missing)
    read_expiry(certificate, region)


def read_model(folder: Path) -> ModelPackage:
    """What the packaged model is."""
    return ModelPackage.from_json((folder / DESCRIPTION).read_text())


def read_expiry(certificate: Path, region: str) -> datetime:
    """When the certificate of the region's nodes ends.

    Raises:
        ArtifactUnusable: it has ended, or the file holds none.
    """
    try:
        expiry = certificates.expiry(certificate, region)
    except certificates.CertificateInvalidError as error:
        raise ArtifactUnusable(certificate, f"holds no certificate for nodes in {region}") from error
    if expiry <= certificates.today():
        raise ArtifactUnusable(certificate, f"holds a certificate that ended on {expiry:%Y-%m-%d}")
    return expiry


def content_key(path: Path) -> str:
    """``build/job.zip`` -> ``artifacts/job-0123456789ab.zip``, with the first digits of its SHA-256."""
    return f"{ARTIFACTS}{path.stem}-{sha256(path)[:HASH_LENGTH]}{path.suffix}"


def sha256(path: Path) -> str:
    """SHA-256 of a file, in hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _model_key(path: Path) -> str:
    return f"{ARTIFACTS}model/{path.name}"


def _certificates_key(path: Path) -> str:
    # Beside the artifacts, not among them: it holds a private key, which only the nodes may read.
    return f"{CERTIFICATES}{path.stem}-{sha256(path)[:HASH_LENGTH]}{path.suffix}"
