"""An emulated Graviton machine: QEMU's user mode, Debian's Python 3.11 for arm64, and the nodes' own wheels.

All of it is downloaded from Debian by apt-get, and unpacked below one folder; nothing is installed on this
machine, and nobody needs to be root.
"""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from infra.package import find_uv

REPOSITORY = Path(__file__).resolve().parents[2]
WHEELHOUSE = REPOSITORY / "build" / "wheelhouse-node-aarch64"
CPU = "neoverse-n1"
"""Graviton2's core. A later one can do all that it can."""
PACKAGES = (
    *("libbz2-1.0", "libc6", "libexpat1", "libffi8", "libgcc-s1", "liblzma5", "libpython3.11-minimal"),
    *("libpython3.11-stdlib", "libsqlite3-0", "libssl3", "libstdc++6", "libuuid1"),
    *("python3.11-minimal", "zlib1g"),
)
EMULATOR = "qemu-user-static"
PATIENCE_SECONDS = 1200
"""Each of the two things that it does takes a minute on a quiet machine."""
_TOOLS = ("apt-get", "dpkg", "dpkg-deb")
# QEMU 7 shows this machine's own, by which XNNPACK finds no Arm core, and crashes.
_CPUINFO = "".join(
    f"processor\t: {number}\n"
    "Features\t: fp asimd evtstrm aes pmull sha1 sha2 crc32 atomics fphp asimdhp cpuid asimdrdm lrcpc dcpop "
    "asimddp ssbs\n"
    "CPU implementer\t: 0x41\nCPU architecture: 8\nCPU variant\t: 0x3\nCPU part\t: 0xd0c\n"
    "CPU revision\t: 1\n\n"
    for number in range(2)
)


class MachineUnavailableError(Exception):
    """It cannot be had here. The message says why, and what to do."""


@dataclass(frozen=True)
class ArmMachine:
    """In ``folder``: ``root/`` is its file system, ``site/`` holds the nodes' packages."""

    folder: Path

    def run(self, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
        """Its Python with these arguments, which may import the repository.

        Raises:
            MachineUnavailableError: it does not come to an end.
        """
        emulator = self.folder / "qemu" / "usr" / "bin" / "qemu-aarch64-static"
        root = self.folder / "root"
        environment = {
            "PYTHONPATH": f"{REPOSITORY}:{self.folder / 'site'}",
            "PYTHONDONTWRITEBYTECODE": "1",
            "LANG": "C.UTF-8",
        }
        command = [emulator, "-cpu", CPU, "-L", root, root / "usr" / "bin" / "python3.11", *arguments]
        try:
            return subprocess.run(
                command,
                env=environment,
                capture_output=True,
                text=True,
                check=False,
                timeout=PATIENCE_SECONDS,
            )
        except subprocess.TimeoutExpired as error:
            raise MachineUnavailableError(
                f"the emulated machine was not done after {PATIENCE_SECONDS} s; try again when less runs here"
            ) from error

    @property
    def ready(self) -> Path:
        """Holds the packages' list that the machine was made of."""
        return self.folder / "ready.txt"


def machine_in(folder: Path, wheelhouse: Path = WHEELHOUSE) -> ArmMachine:
    """The machine, made anew unless it is there with the packages of the wheelhouse.

    Raises:
        MachineUnavailableError: this is no Debian, or a package cannot be had.
    """
    machine = ArmMachine(folder)
    locked = (wheelhouse / "requirements.txt").read_text()
    if machine.ready.is_file() and machine.ready.read_text() == locked:
        return machine
    if missing := [tool for tool in _TOOLS if shutil.which(tool) is None]:
        raise MachineUnavailableError(
            f"this machine has no {' and no '.join(missing)}, which fetch an emulator and an Arm Python; "
            "run `make arm` on Debian 12, or in a container of it"
        )
    shutil.rmtree(folder, ignore_errors=True)
    native = _must(["dpkg", "--print-architecture"], REPOSITORY)
    _unpack(folder / "qemu", [EMULATOR], native)
    _unpack(folder / "root", PACKAGES, "arm64")
    (folder / "root" / "proc").mkdir()
    (folder / "root" / "proc" / "cpuinfo").write_text(_CPUINFO)
    _install(folder / "site", wheelhouse)
    machine.ready.write_text(locked)
    return machine


def _unpack(target: Path, packages: Sequence[str], architecture: str) -> None:
    """Download packages by lists of their own: those of the system need root, and lack other processors."""
    state = target.with_name(f"apt-{architecture}")
    for part in ("lists/partial", "archives/partial", "packages"):
        (state / part).mkdir(parents=True)
    options = [
        *("-o", f"APT::Architecture={architecture}", "-o", f"APT::Architectures={architecture}"),
        *("-o", f"Dir::State={state}", "-o", f"Dir::Cache={state}", "-o", "Dir::State::status=/dev/null"),
        *("-o", "APT::Sandbox::User="),
    ]
    _must(["apt-get", "--quiet", *options, "update"], state)
    _must(["apt-get", "--quiet", *options, "download", *packages], state / "packages")
    target.mkdir()
    for package in sorted((state / "packages").glob("*.deb")):
        _must(["dpkg-deb", "--extract", str(package), str(target)], state)
    shutil.rmtree(state)


def _install(target: Path, wheelhouse: Path) -> None:
    """What a node installs, hash-checked, from the wheelhouse alone."""
    _must(
        [
            *(find_uv(REPOSITORY), "pip", "install", "--quiet", "--target", str(target), "--no-index"),
            *("--find-links", str(wheelhouse), "--require-hashes", "--only-binary", ":all:"),
            *("--python-version", "3.11", "--python-platform", "aarch64-manylinux_2_28"),
            *("--requirement", str(wheelhouse / "requirements.txt")),
        ],
        target.parent,
    )


def _must(command: Sequence[str], folder: Path) -> str:
    finished = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    if finished.returncode:
        raise MachineUnavailableError(
            f"`{' '.join(command[:2])}` failed: {(finished.stderr or finished.stdout).strip()[-500:]}\n"
            "Debian 12 has what is needed; check that its package servers can be reached"
        )
    return finished.stdout.strip()
