"""What a fresh cluster of EMR has in ``jupyterhub_config.py``, here; and the notebooks' kernel. Pure."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from infra.local.hub.installation import FILES, Installation

KERNEL = "pysparkkernel"
"""The name that EMR's notebooks ask for."""
_HOST = "127.0.0.1"
_PATIENCE_SECONDS = 120
"""For a person's server to start: the machine may be busy."""


@dataclass(frozen=True)
class Ports:
    """All on loopback. ``public`` is the proxy's, with TLS; by the others it and the hub speak."""

    public: int
    hub: int
    proxy: int


def hub_config(machine: Path, ports: Ports, installation: Installation, server: Mapping[str, str]) -> str:
    """``jupyterhub_config.py``: JupyterHub behind its proxy, servers as processes of its group.

    ``machine`` stands for the machine's file system; ``server`` is the environment of people's servers, which
    have no credentials, as EMR's container has none.
    """
    conf = machine / "etc" / "jupyter" / "conf"
    settings = {
        "JupyterHub.bind_url": f"https://{_HOST}:{ports.public}",
        "JupyterHub.ssl_cert": str(conf / "server.crt"),
        "JupyterHub.ssl_key": str(conf / "server.key"),
        "JupyterHub.hub_bind_url": f"http://{_HOST}:{ports.hub}",
        "JupyterHub.db_url": f"sqlite:///{machine}/run/jupyterhub.sqlite",
        "JupyterHub.cookie_secret_file": str(machine / "run" / "cookie_secret"),
        # machine.sh starts it: JupyterHub would give it a process group of its own.
        "ConfigurableHTTPProxy.should_start": False,
        "ConfigurableHTTPProxy.api_url": f"http://{_HOST}:{ports.proxy}",
        "JupyterHub.spawner_class": "simple",
        "SimpleLocalProcessSpawner.home_dir_template": f"{machine}/var/lib/jupyter/home/{{username}}",
        "LocalProcessSpawner.popen_kwargs": {"start_new_session": False},
        "Spawner.cmd": [str(installation.server)],
        "Spawner.args": [
            # Its own Python has no Spark.
            "--KernelSpecManager.ensure_native_kernel=False",
            # No language has a server here.
            "--ServerApp.jpserver_extensions={'jupyter_lsp': False}",
            # Whose process it is, is whoever's the local cloud is.
            "--allow-root",
        ],
        "Spawner.default_url": "/lab/tree/start.ipynb",
        "Spawner.start_timeout": _PATIENCE_SECONDS,
        "Spawner.http_timeout": _PATIENCE_SECONDS,
        "Spawner.env_keep": ["LANG", "PATH", "WORKBENCH_MACHINE"],
        "Spawner.environment": dict(server),
    }
    lines = (f"c.{name} = {value!r}" for name, value in settings.items())
    return "\n".join(["c = get_config()", *lines, ""])


def proxy_command(machine: Path, ports: Ports, installation: Installation) -> list[str]:
    """The proxy, as JupyterHub would start it. Its password is in the variable CONFIGPROXY_AUTH_TOKEN."""
    conf, hub = machine / "etc" / "jupyter" / "conf", f"http://{_HOST}:{ports.hub}"
    return [
        *installation.proxy,
        *("--ip", _HOST, "--port", str(ports.public)),
        *("--api-ip", _HOST, "--api-port", str(ports.proxy)),
        *("--ssl-cert", str(conf / "server.crt"), "--ssl-key", str(conf / "server.key")),
        *("--default-target", hub, "--error-target", f"{hub}/hub/error"),
    ]


def kernel_spec(python: Path, environment: Mapping[str, str]) -> str:
    """``kernel.json``: the nodes' Python, with ``environment`` and what Livy gives a notebook on EMR."""
    starts: Sequence[str] = [str(FILES / "session.py")]
    return json.dumps(
        {
            "display_name": "PySpark",
            "language": "python",
            "argv": [
                *(str(python), "-m", "ipykernel_launcher", "-f", "{connection_file}"),
                f"--IPKernelApp.exec_files={starts!r}",
            ],
            "env": dict(environment),
        },
        indent=1,
    )


def lab_settings() -> str:
    """``page_config.json``: no part of JupyterLab that asks servers of its makers."""
    extensions = ("@jupyterlab/apputils-extension:announcements", "@jupyterlab/extensionmanager-extension")
    return json.dumps({"disabledExtensions": dict.fromkeys(extensions, True)})
