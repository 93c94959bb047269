"""A throw-away certificate authority for the local cloud.

The data bucket refuses plain HTTP, so the local endpoints speak TLS like the real ones. The CA is
made for one local cloud and trusted by nobody but the processes that get :attr:`TlsFiles.ca`.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import trustme


@dataclass(frozen=True)
class TlsFiles:
    """PEM files: the CA to trust, and a certificate with its key for ``localhost`` and ``127.0.0.1``."""

    ca: Path
    certificate: Path
    key: Path


def issue(folder: Path) -> TlsFiles:
    """Make a new CA and a server certificate and write them into ``folder`` (created if need be)."""
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    files = TlsFiles(ca=folder / "ca.pem", certificate=folder / "certificate.pem", key=folder / "key.pem")
    authority = trustme.CA(organization_name="fruits local cloud")
    server = authority.issue_cert("localhost", "127.0.0.1")
    authority.cert_pem.write_to_path(files.ca)
    server.cert_chain_pems[0].write_to_path(files.certificate)
    server.private_key_pem.write_to_path(files.key)
    return files
