"""The certificates by which the nodes of a cluster encrypt what they say to each other.

One a region, each under an authority of its own whose key is thrown away at once, so nothing else will ever
be signed by it. A certificate is kept from build to build, since another one means another security
configuration; it is made anew when it has little time left.
"""

from __future__ import annotations

import zipfile
from datetime import UTC, datetime, timedelta
from pathlib import Path

import trustme
from cryptography import x509
from cryptography.hazmat.primitives import serialization

VALID_DAYS = 730
RENEWAL_DAYS = 180
"""`make package` makes another one when fewer are left: who upgrades twice a year never hears an alarm."""
KEY_FILE, CHAIN_FILE, TRUSTED_FILE = "privateKey.pem", "certificateChain.pem", "trustedCertificates.pem"
"""As EMR expects them. Source, also of the name: EMR Management Guide, "Providing certificates for encrypting
data in transit". Its example makes a PKCS#8 key, as openssl does."""


class CertificateInvalidError(ValueError):
    """A file is not what :func:`write_node_certificate` writes."""


def file_of(region: str) -> str:
    """The name of a region's certificate in the build folder."""
    return f"node-certificates-{region}.zip"


def write_node_certificate(target: Path, region: str, now: datetime) -> None:
    """Write the zip that EMR's PEM provider reads, for the nodes of clusters in the region."""
    authority = trustme.CA(key_type=trustme.KeyType.RSA, organization_name="fruits")
    name = _name(region)
    issued = authority.issue_cert(
        name,
        common_name=name,
        organization_name="fruits",
        organization_unit_name="nodes",
        # Clocks differ, and a cluster may start at once.
        not_before=now - timedelta(days=1),
        not_after=now + timedelta(days=VALID_DAYS),
        key_type=trustme.KeyType.RSA,
    )
    key = serialization.load_pem_private_key(issued.private_key_pem.bytes(), password=None)
    files = {
        KEY_FILE: key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        ),
        CHAIN_FILE: b"".join(part.bytes() for part in issued.cert_chain_pems),
        TRUSTED_FILE: authority.cert_pem.bytes(),
    }
    with zipfile.ZipFile(target, "w") as archive:
        for file, content in files.items():
            archive.writestr(file, content)
    target.chmod(0o600)


def expiry(archive: Path, region: str) -> datetime:
    """When the certificate in the zip ends.

    Raises:
        CertificateInvalidError: it holds none for nodes in the region.
    """
    try:
        with zipfile.ZipFile(archive) as opened:
            certificate = x509.load_pem_x509_certificate(opened.read(CHAIN_FILE))
    except (KeyError, ValueError, zipfile.BadZipFile) as error:
        raise CertificateInvalidError(f"{archive} holds no certificate ({error})") from error
    names = certificate.subject.get_attributes_for_oid(x509.NameOID.COMMON_NAME)
    if [name.value for name in names] != [_name(region)]:
        raise CertificateInvalidError(f"{archive} is not for {_name(region)}")
    return certificate.not_valid_after_utc


def is_to_be_kept(archive: Path, region: str, now: datetime) -> bool:
    """Whether there is a certificate with enough time left."""
    try:
        return archive.is_file() and expiry(archive, region) > now + timedelta(days=RENEWAL_DAYS)
    except CertificateInvalidError:
        return False


def today() -> datetime:
    """The time by which certificates are judged."""
    return datetime.now(UTC)


def _name(region: str) -> str:
    """What the private names of machines match, in every region but us-east-1."""
    return f"*.{region}.compute.internal"
