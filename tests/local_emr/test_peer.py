"""The caller that is to be killed is, and nobody else who happens to come from the same port."""

from __future__ import annotations

import signal
import socket
import subprocess
import sys

import pytest

from infra.local.emr.peer import kill_peer

CALLER = """
import socket, sys
port, server = map(int, sys.argv[1:])
caller = socket.socket()
caller.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
caller.bind(("127.0.0.1", port))
caller.connect(("127.0.0.1", server))
caller.recv(1)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="the caller is looked up in /proc")
def test_of_two_callers_from_one_port_the_one_of_this_server_is_killed() -> None:
    with socket.socket() as reserved:
        reserved.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        reserved.bind(("127.0.0.1", 0))
        port = reserved.getsockname()[1]
        servers = [socket.create_server(("127.0.0.1", 0)) for _ in range(2)]
        numbers = [server.getsockname()[1] for server in servers]
        callers = [
            subprocess.Popen([sys.executable, "-c", CALLER, str(port), str(number)]) for number in numbers
        ]
        connections = [server.accept()[0] for server in servers]
        try:
            assert kill_peer(port, numbers[1])
            assert callers[1].wait(10) == -signal.SIGKILL
            assert callers[0].poll() is None
            assert not kill_peer(port, reserved.getsockname()[1])
        finally:
            for opened in (*connections, *servers):
                opened.close()
            for caller in callers:
                caller.kill()
                caller.wait()
