"""The set-up step of a workbench, on a machine whose sudo, docker, curl and aws are the test's own."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from infra.components.workbench import activity
from infra.program import REPOSITORY
from lambdas.contract.workbench import USER, login_json

from .test_hub_gate import outcome

FILES = REPOSITORY / "infra" / "components" / "workbench"
LOGIN = login_json("the right one", b"salt")
REFUSED = r"printf 'HTTP/1.1 403 Forbidden\r\nSet-Cookie: _xsrf=1\r\n\r\n<p>Invalid username or password</p>'"
PROGRAMS = {
    "sudo": 'exec "$@"',
    "docker": 'echo "docker $*" >>"$AT/log"',
    "systemctl": 'echo "systemctl $*" >>"$AT/log"',
    "sleep": "true",
    "openssl": """
case $1 in rand) echo 0123abcd;; x509) echo "sha256 Fingerprint=AA:BB";; esac
for a; do case $before in -keyout|-out) touch "$a";; esac; before=$a; done""",
    "curl": r"""
echo "curl $*" >>"$AT/log"
for a; do
    case $before in --cookie-jar) printf 'localhost\tFALSE\t/hub/\tTRUE\t0\t_xsrf\tof-the-form\n' >"$a";; esac
    before=$a
done
case "$*" in *--include*) {answer};; esac""",
    "aws": """
echo "aws $*" >>"$AT/log"; found=()
for a; do
    case $a in s3://*) found+=("$AT/s3/${a#s3://}");; -*|eu-*|s3|cp|sync) ;; *) found+=("$a");; esac
done
from=${found[-2]} to=${found[-1]}; {aws}
if [[ $1 == s3api ]]; then cat "$AT/keys.json"; exit; fi
mkdir -p "$(dirname "$to")"
if [[ -d $from ]]; then mkdir -p "$to"; cp -r "$from/." "$to"
elif [[ -e $from ]]; then cp "$from" "$to"; fi""",
    "python3": f'exec {sys.executable} "$@"',
    "python3.11": 'echo "python3.11 $*" >>"$AT/log"',
}


class Machine:
    """The primary node of a workbench's cluster."""

    def __init__(self, folder: Path, answer: str = REFUSED, aws: str = "true") -> None:
        self.folder = folder
        (folder / "bin").mkdir(parents=True)
        for name, script in PROGRAMS.items():
            self.install(name, script.replace("{answer}", answer).replace("{aws}", aws))
        (folder / "keys.json").write_text("null\n")
        for place in ("etc/jupyter/conf", "etc/systemd/system", "opt/fruits", f"var/lib/jupyter/home/{USER}"):
            (folder / place).mkdir(parents=True)
        (folder / "etc/jupyter/conf/jupyterhub_config.py").write_text("# EMR's own\nc.own = 'kept'\n")
        self.put("runs/r/login.json", LOGIN)
        self.files = shutil.copytree(FILES, folder / "files")

    def install(self, name: str, script: str) -> None:
        program = self.folder / "bin" / name
        program.write_text(f"#!/bin/bash\n{script}\n")
        program.chmod(0o755)

    def put(self, key: str, text: str) -> None:
        place = self.folder / "s3" / "bucket" / key
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(text)

    def text(self, name: str) -> str:
        return (self.folder / name).read_text()

    def set_up(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        given = arguments or (
            "eu-west-1", "s3://bucket/runs/r/login.json", "s3://bucket/runs/r/activity.json",
            "s3://bucket/notebooks/explore/",
        )  # fmt: skip
        return self.run(self.files / "setup.sh", *given)

    def keep(self) -> subprocess.CompletedProcess[str]:
        """What the machine does every minute."""
        (self.folder / "log").write_text("")
        return self.run(self.folder / "opt/fruits/workbench/keep.sh")

    def run(self, script: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
        environment = {"PATH": f"{self.folder / 'bin'}:/usr/bin:/bin", "AT": str(self.folder)}
        environment["WORKBENCH_MACHINE"] = str(self.folder)
        command = ["/bin/bash", str(script), *arguments]
        return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)


def read_by_hub(config: str, monkeypatch: pytest.MonkeyPatch) -> Any:
    """What JupyterHub makes of its configuration. Its base class is in EMR's container alone."""
    monkeypatch.setitem(sys.modules, "jupyterhub", SimpleNamespace())
    monkeypatch.setitem(sys.modules, "jupyterhub.auth", SimpleNamespace(Authenticator=object))
    c = SimpleNamespace(JupyterHub=SimpleNamespace(), Authenticator=SimpleNamespace())
    exec(compile(config, "jupyterhub_config.py", "exec"), {"c": c})  # noqa: S102  # as JupyterHub does
    return c


def test_a_machine_becomes_a_workbench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    machine = Machine(tmp_path)
    machine.put("notebooks/explore/mine.ipynb", "{}")
    done = machine.set_up()
    assert done.returncode == 0, done.stderr
    assert done.stdout.endswith("workbench: open; its certificate has the sha256 Fingerprint=AA:BB\n")
    config = machine.text("etc/jupyter/conf/jupyterhub_config.py")
    c = read_by_hub(config, monkeypatch)
    assert c.own == "kept"
    assert c.Authenticator.allowed_users == {USER}
    assert c.JupyterHub.services[0]["api_token"] == "0123abcd"
    home = tmp_path / "var/lib/jupyter/home" / USER
    assert (home / "mine.ipynb").read_text() == "{}"
    for name in ("start.ipynb", "run_all.ipynb"):
        # As they are: what is this workbench's own would be the next one's, too.
        assert (home / name).read_text() == (FILES / name).read_text()
    log = machine.text("log")
    restarted = log.index("docker restart jupyterhub")
    for account in ("jovyan", "analyst"):
        tried = f"username={account} --data-urlencode password=jupyter --data-urlencode _xsrf=of-the-form"
        assert log.index(tried) > restarted
    assert "docker exec jupyterhub passwd --lock jovyan" in log
    assert log.index("systemctl enable --now fruits-keep.timer") > log.index("aws s3 sync")
    assert "secret" not in log
    assert (tmp_path / "mnt/var/lib/instance-controller/public/shutdown-actions/keep.sh").exists()


def test_a_notebook_that_is_kept_is_not_replaced(tmp_path: Path) -> None:
    machine = Machine(tmp_path)
    machine.put("notebooks/explore/start.ipynb", "mine")
    assert machine.set_up().returncode == 0
    assert machine.text(f"var/lib/jupyter/home/{USER}/start.ipynb") == "mine"


def test_a_key_that_cannot_be_a_file_here_is_left_out_and_told(tmp_path: Path) -> None:
    machine = Machine(tmp_path)
    names = ("data", "data/[1] é.csv", "a*b", "a*b/c", "/etc/evil")
    keys = [f"notebooks/explore/{name}" for name in names]
    (tmp_path / "keys.json").write_text(json.dumps(keys, ensure_ascii=False))
    done = machine.set_up()
    assert done.returncode == 0, done.stderr
    home = tmp_path / "var/lib/jupyter/home" / USER
    patterns = "--exclude [/]etc/evil --exclude a[*]b --exclude data s3://bucket/notebooks/explore/"
    assert f"{patterns} {home}\n" in machine.text("log")
    assert "workbench: 'data' is not brought back: there is a folder of that name, too\n" in done.stderr


@pytest.mark.parametrize(("sync_exits", "exits"), [(0, 0), (1, 1), (2, 0)])
def test_a_file_that_cannot_be_kept_ends_nobody_as_idle(tmp_path: Path, sync_exits: int, exits: int) -> None:
    machine = Machine(tmp_path)
    assert machine.set_up().returncode == 0
    machine.install("aws", f'echo "aws $*" >>"$AT/log"; [[ $2 != sync ]] || exit {sync_exits}')
    assert machine.keep().returncode == exits
    activity, told, kept = machine.text("log").splitlines()
    assert activity.startswith("python3.11 ")
    assert told.endswith("activity.json s3://bucket/runs/r/activity.json")
    assert kept.startswith("aws s3 sync ")


def test_notebooks_are_kept_though_jupyterhub_does_not_say_when_they_were_used(tmp_path: Path) -> None:
    machine = Machine(tmp_path)
    assert machine.set_up().returncode == 0
    machine.install("python3.11", "exit 1")
    assert machine.keep().returncode == 1
    (kept,) = machine.text("log").splitlines()
    assert kept.startswith("aws s3 sync ")


@pytest.mark.parametrize(
    "answer",
    [
        r"printf 'HTTP/1.1 302 Found\r\nLocation: /hub/\r\n'",
        r"printf 'HTTP/1.1 200 OK\r\nSet-Cookie: jupyterhub-hub-login=x\r\n\r\nInvalid username or password'",
        # The form was refused, and the password not looked at.
        r"printf 'HTTP/1.1 403 Forbidden\r\n\r\nLogin form invalid or expired. Try again.'",
        r"printf 'HTTP/1.1 500 Internal Server Error\r\n'",
        "true",
    ],
)
def test_an_account_that_is_not_surely_refused_ends_the_step(tmp_path: Path, answer: str) -> None:
    machine = Machine(tmp_path, answer)
    done = machine.set_up()
    assert done.returncode == 1
    assert done.stderr.startswith("workbench: JupyterHub did not refuse jovyan with a wrong password")
    assert "systemctl" not in machine.text("log")


@pytest.mark.parametrize(
    ("aws", "problem"),
    [
        (
            "[[ $to != *notebooks* ]] || exit 1",
            "the notebooks cannot be kept at s3://bucket/notebooks/explore/",
        ),
        (
            "[[ $from != *notebooks* ]] || exit 1",
            "the notebooks at s3://bucket/notebooks/explore/ cannot be read",
        ),
        ("[[ $1 != s3api ]] || exit 1", "the notebooks at s3://bucket/notebooks/explore/ cannot be listed"),
        ("[[ $from != *login* ]] || exit 1", "by which the password is checked, cannot be read"),
    ],
)
def test_what_the_bucket_refuses_ends_the_step_with_a_sentence(
    tmp_path: Path, aws: str, problem: str
) -> None:
    done = Machine(tmp_path, aws=aws).set_up()
    assert done.returncode == 1
    assert problem in done.stderr


def test_wrong_arguments_are_told(tmp_path: Path) -> None:
    done = Machine(tmp_path).set_up("eu-west-1")
    assert (done.returncode, done.stderr.count("\n")) == (1, 1)
    assert "was given 1 arguments" in done.stderr


@pytest.mark.parametrize(
    ("kernels", "before", "at"),
    [
        ([], None, 1000.0),
        ([], 400.0, 400.0),
        ([{"execution_state": "busy", "last_activity": "1970-01-01T00:00:01Z"}], 400.0, 1000.0),
        ([{"execution_state": "idle", "last_activity": "1970-01-01T00:10:00.500000Z"}], 400.0, 600.5),
        ([{"execution_state": "idle", "last_activity": "1970-01-01T00:01:00"}], 400.0, 400.0),
        ([{"execution_state": "idle", "last_activity": "2070-01-01T00:00:00Z"}], 400.0, 1000.0),
        ([{"execution_state": "idle"}, {"last_activity": "soon"}], 400.0, 400.0),
    ],
)
def test_when_a_kernel_was_busy(kernels: list[dict[str, Any]], before: float | None, at: float) -> None:
    assert activity.last_active(kernels, before, 1000.0) == at


def test_a_hub_has_one_account_and_no_other_way_in(monkeypatch: pytest.MonkeyPatch) -> None:
    login = json.loads(LOGIN)
    c = read_by_hub(f"{(FILES / 'hub.py').read_text()}\nopen_only_to(c, {login}, 'token')\n", monkeypatch)
    assert (c.Authenticator.allowed_users, c.Authenticator.admin_users) == ({USER}, set())
    (service,) = c.JupyterHub.services
    assert service["api_token"] == "token"
    authenticator = c.JupyterHub.authenticator_class()
    answers = [
        outcome(authenticator.authenticate(None, {"username": USER, "password": password}))
        for password in ("the right one", "wrong")
    ]
    assert answers == [USER, None]
