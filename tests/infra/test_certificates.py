"""The certificate of the nodes: what EMR reads, for one region, kept while it holds and renewed in time."""

from __future__ import annotations

import shutil
import socket
import ssl
import threading
import zipfile
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from cryptography.x509 import DNSName, NameOID, SubjectAlternativeName, load_pem_x509_certificate

from infra import package as packaging
from infra.components.alarms import CERTIFICATE_DAYS
from infra.components.artifacts import ArtifactUnusable
from infra.components.certificates import (
    RENEWAL_DAYS,
    VALID_DAYS,
    CertificateInvalidError,
    expiry,
    file_of,
    is_to_be_kept,
    write_node_certificate,
)
from infra.local.deploy import deploy
from lambdas.contract.regions import EU_REGIONS
from lambdas.contract.settings import ReconcilerSettings
from tests.infra.conftest import PREINSTALLED, RecordingProvider

NOW = datetime(2026, 1, 1, tzinfo=UTC)
REGION = "eu-south-2"
NODE = f"ip-10-0-0-1.{REGION}.compute.internal"


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("certificate") / file_of(REGION)
    write_node_certificate(path, REGION, datetime.now(UTC))
    return path


@pytest.fixture(scope="module")
def files(archive: Path) -> dict[str, bytes]:
    with zipfile.ZipFile(archive) as opened:
        return {name: opened.read(name) for name in opened.namelist()}


def test_the_zip_holds_the_files_that_emr_reads_and_is_its_owners_alone(
    archive: Path, files: dict[str, bytes]
) -> None:
    assert set(files) == {"privateKey.pem", "certificateChain.pem", "trustedCertificates.pem"}
    assert archive.stat().st_mode & 0o077 == 0


def test_the_key_is_rsa_in_pkcs8_without_a_password(files: dict[str, bytes]) -> None:
    assert files["privateKey.pem"].startswith(b"-----BEGIN PRIVATE KEY-----")
    key = load_pem_private_key(files["privateKey.pem"], password=None)
    assert isinstance(key, RSAPrivateKey)
    assert key.key_size >= 2048


def test_the_certificate_is_for_the_nodes_of_its_region_alone(files: dict[str, bytes]) -> None:
    certificate = load_pem_x509_certificate(files["certificateChain.pem"])
    wildcard = f"*.{REGION}.compute.internal"
    assert [n.value for n in certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)] == [wildcard]
    names = certificate.extensions.get_extension_for_class(SubjectAlternativeName).value
    assert names.get_values_for_type(DNSName) == [wildcard]


@pytest.fixture
def node(files: dict[str, bytes], tmp_path: Path) -> Iterator[tuple[int, ssl.SSLContext]]:
    """The port of a node that asks who calls, and what another node calls with."""
    for name, content in files.items():
        (tmp_path / name).write_bytes(content)

    def context(purpose: ssl.Purpose) -> ssl.SSLContext:
        made = ssl.create_default_context(purpose, cafile=str(tmp_path / "trustedCertificates.pem"))
        made.load_cert_chain(tmp_path / "certificateChain.pem", tmp_path / "privateKey.pem")
        return made

    server = context(ssl.Purpose.CLIENT_AUTH)
    server.verify_mode = ssl.CERT_REQUIRED

    def answer(listener: ssl.SSLSocket) -> None:
        with suppress(OSError):
            connection, _ = listener.accept()
            with connection:
                connection.sendall(b"hello")

    with server.wrap_socket(socket.create_server(("127.0.0.1", 0)), server_side=True) as listener:
        thread = threading.Thread(target=answer, args=(listener,), daemon=True)
        thread.start()
        yield listener.getsockname()[1], context(ssl.Purpose.SERVER_AUTH)
        thread.join(5)


def call(port: int, context: ssl.SSLContext, name: str) -> bytes:
    with (
        socket.create_connection(("127.0.0.1", port), timeout=5) as plain,
        context.wrap_socket(plain, server_hostname=name) as secured,
    ):
        return secured.recv(5)


def test_nodes_of_the_region_trust_each_other(node: tuple[int, ssl.SSLContext]) -> None:
    assert call(*node, NODE) == b"hello"


def test_machines_of_other_regions_are_not_trusted(node: tuple[int, ssl.SSLContext]) -> None:
    with pytest.raises(ssl.SSLCertVerificationError, match="Hostname mismatch"):
        call(*node, NODE.replace(REGION, "eu-west-1"))


def test_no_two_are_alike(files: dict[str, bytes], tmp_path: Path) -> None:
    write_node_certificate(tmp_path / "other.zip", REGION, NOW)
    with zipfile.ZipFile(tmp_path / "other.zip") as other:
        assert other.read("privateKey.pem") != files["privateKey.pem"]
        assert other.read("trustedCertificates.pem") != files["trustedCertificates.pem"]


def test_it_is_kept_until_its_end_is_near(tmp_path: Path) -> None:
    path = tmp_path / "one.zip"
    assert not is_to_be_kept(path, REGION, NOW)
    write_node_certificate(path, REGION, NOW)
    assert expiry(path, REGION) == NOW + timedelta(days=VALID_DAYS)
    last = timedelta(days=VALID_DAYS - RENEWAL_DAYS)
    assert is_to_be_kept(path, REGION, NOW + last - timedelta(minutes=1))
    assert not is_to_be_kept(path, REGION, NOW + last)


def test_whoever_packages_in_time_never_hears_the_alarm() -> None:
    assert RENEWAL_DAYS > 2 * CERTIFICATE_DAYS


def test_what_is_no_certificate_of_the_region_is_made_anew(archive: Path, tmp_path: Path) -> None:
    (tmp_path / "text.zip").write_text("no zip")
    with zipfile.ZipFile(tmp_path / "empty.zip", "w") as empty:
        empty.writestr("privateKey.pem", "")
    for name in ("text.zip", "empty.zip"):
        with pytest.raises(CertificateInvalidError, match="holds no certificate"):
            expiry(tmp_path / name, REGION)
    with pytest.raises(CertificateInvalidError, match=r"is not for \*.eu-west-1.compute.internal"):
        expiry(archive, "eu-west-1")
    assert not is_to_be_kept(tmp_path / "text.zip", REGION, NOW)


def test_packaging_again_keeps_every_certificate_and_replaces_what_is_none(
    build: Path, tmp_path: Path
) -> None:
    for region in EU_REGIONS:
        shutil.copyfile(build / file_of(region), tmp_path / file_of(region))
    (tmp_path / file_of(REGION)).write_text("broken")
    made = {region: packaging.node_certificate(tmp_path, region) for region in EU_REGIONS}
    assert {region for region, built in made.items() if built.changed} == {REGION}
    assert expiry(tmp_path / file_of(REGION), REGION) > datetime.now(UTC)


def test_the_reconciler_is_told_when_the_certificate_of_its_region_ends(
    build: Path, declared: RecordingProvider
) -> None:
    function = next(f for f in declared.all_of("Function") if "reconciler" in f["handler"])
    told = ReconcilerSettings.from_env(function["environment"]["variables"])
    assert told.certificate_expires_at == expiry(build / file_of("eu-west-1"), "eu-west-1").timestamp()


@pytest.mark.parametrize(
    ("broken", "why"), [(False, "holds a certificate that ended on 2022-"), (True, "holds no certificate")]
)
def test_a_certificate_that_ended_or_is_none_fails_the_preview_with_a_sentence(
    build: Path, tmp_path: Path, broken: bool, why: str
) -> None:
    folder = tmp_path / "build"
    shutil.copytree(build, folder)
    certificate = folder / file_of("eu-west-1")
    write_node_certificate(certificate, "eu-west-1", datetime(2020, 6, 1, tzinfo=UTC))
    if broken:
        certificate.write_text("")
    with pytest.raises(ArtifactUnusable, match=f"{why}.*; delete it and run `make package`"):
        deploy(RecordingProvider(), stack="eu", config=PREINSTALLED, build=folder)
