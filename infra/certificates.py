"""The certificate by which the nodes of a cluster encrypt what they say to each other.

A cluster's own authority: its key is thrown away at once, so nothing else will ever be signed by it.
"""

from __future__ import annotations

import zipfile
from pathlib import Path

import trustme

from lambdas.contract.regions import EU_REGIONS


def write_node_certificates(target: Path) -> None:
    """Write the zip that EMR's PEM provider reads, for nodes in any allowed region.

    Source of the names: EMR Management Guide, "Providing certificates for encrypting data in transit".
    """
    authority = trustme.CA(key_type=trustme.KeyType.RSA)
    names = [f"*.{region}.compute.internal" for region in EU_REGIONS]
    issued = authority.issue_cert(*names, key_type=trustme.KeyType.RSA)
    files = {
        "privateKey.pem": issued.private_key_pem.bytes(),
        "certificateChain.pem": b"".join(part.bytes() for part in issued.cert_chain_pems),
        "trustedCertificates.pem": authority.cert_pem.bytes(),
    }
    with zipfile.ZipFile(target, "w") as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    target.chmod(0o600)
