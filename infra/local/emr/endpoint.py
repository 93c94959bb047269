"""The EMR endpoint as a whole: HTTPS in front, clusters behind."""

from __future__ import annotations

import functools
import http.server
import itertools
import logging
import os
import ssl
import threading
import uuid
from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, TypeVar

import botocore.exceptions

from infra.local.emr import protocol
from infra.local.emr.authorization import Authorizer, Refused
from infra.local.emr.cluster import ClusterRunner
from infra.local.emr.events import EventDelivery, state_events
from infra.local.emr.injected_failures import ClusterFailure, InjectedFailures
from infra.local.emr.launch import Launch
from infra.local.emr.lifecycle import Cluster
from infra.local.emr.node import Node
from infra.local.emr.offer import Offer
from infra.local.emr.operations import AnswerLost, CallerKilled, Operations
from infra.local.emr.peer import kill_peer
from infra.local.emr.protocol import EmrError, validation_error
from infra.local.emr.recorder import Recorder
from infra.local.ministack import client
from infra.local.process import StartedAndStopped
from infra.local.tls import TlsFiles
from lambdas.contract.regions import PARTITION

logger = logging.getLogger(__name__)
_FailureT = TypeVar("_FailureT")
_STOP_SECONDS = 5.0
"""How long last logs and events may take, should the local AWS have gone first."""
_SHUTDOWN_CHECK_SECONDS = 0.05


class EmrEndpoint(StartedAndStopped):
    """``with EmrEndpoint(...) as emr:`` serves the EMR API at :attr:`url`, for ``AWS_ENDPOINT_URL_EMR``.

    The constructor binds a free loopback port, so that the URL is known before anything runs.
    """

    def __init__(
        self,
        *,
        tls: TlsFiles,
        environment: Mapping[str, str],
        folder: Path,
        slots: int | None = None,
        injected: InjectedFailures | None = None,
    ) -> None:
        """Bind a port.

        Args:
            tls: the certificate to serve with, and the CA of the local AWS.
            environment: ``AWS_*`` variables that reach the local AWS as root; read by :meth:`start`.
            folder: receives ``<cluster id>/steps/<step id>/{controller,stdout,stderr}``, live.
            slots: Spark task slots of a cluster, which its workers share; at least one each, so that there
                are no more workers than slots. None: as many as this machine has cores.
            injected: what to let go wrong.
        """
        self._tls = tls
        self._environment = environment
        self._folder = folder
        self.slots = slots or os.cpu_count() or 1
        self._injected = injected or InjectedFailures()
        self._cluster_failures = _script(self._injected.clusters)
        self._unmet: deque[ClusterFailure] = deque()
        """Of clusters that ended before theirs took effect."""
        self.recorder = Recorder()
        self._server = _Server(tls, self.recorder)
        self.url = f"https://localhost:{self._server.server_port}"
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Serve. The local AWS must be up."""
        region = self._environment["AWS_REGION"]
        self._iam, self._sts = client("iam", self._environment), client("sts", self._environment)
        account = self._sts.get_caller_identity()["Account"]
        event_failures, launch_failures = _script(self._injected.events), _script(self._injected.launches)
        self._events = EventDelivery(
            functools.partial(client, environment=self._environment),
            account=account,
            region=region,
            next_failure=lambda: next(event_failures),
            befell=self.recorder.befell,
        )
        self._operations = Operations(
            self._new_runner,
            arn_prefix=f"arn:{PARTITION}:elasticmapreduce:{region}:{account}:cluster/",
            offer=Offer(self._injected.types_not_offered),
            next_launch_failure=lambda: next(launch_failures),
            befell=self.recorder.befell,
        )
        self._authorizer = Authorizer(self._environment["AWS_ENDPOINT_URL"], self._tls.ca)
        self._server.operations, self._server.authorizer = self._operations, self._authorizer
        self._thread = threading.Thread(
            target=self._server.serve_forever, args=(_SHUTDOWN_CHECK_SECONDS,), name="emr-api", daemon=True
        )
        self._thread.start()

    def stop(self) -> None:
        """Kill what runs on the clusters, at once, and close the port. Harmless when not started."""
        if self._thread is not None:
            self._server.shutdown()
            self._thread.join()
            self._thread = None
            runners = self._operations.runners()
            for runner in runners:
                runner.abandon()
            for runner in runners:
                runner.join(_STOP_SECONDS)
            self._events.stop(_STOP_SECONDS)
            self._authorizer.close()
        self._server.server_close()

    def hub_url(self, cluster_id: str) -> str | None:
        """Where a workbench's JupyterHub is on this machine; None while or where there is none."""
        runners = self._operations.runners()
        return next((one.hub_url for one in runners if one.cluster.id == cluster_id), None)

    def show_age(self, cluster_id: str, seconds: float) -> None:
        """Let the cluster of that id show itself at least so old."""
        for runner in self._operations.runners():
            if runner.cluster.id == cluster_id:
                runner.show_age(seconds)

    def _new_runner(self, launch: Launch) -> ClusterRunner:
        node = Node(
            cloud=self._environment,
            iam=self._iam,
            sts=self._sts,
            instance_profile=launch.instance_profile,
            spark_defaults=launch.spark_defaults,
            slots=self.slots,
        )
        try:
            node.role_arn()
        except (botocore.exceptions.ClientError, IndexError) as error:
            raise validation_error(f"Invalid InstanceProfile: {launch.instance_profile}.") from error
        return ClusterRunner(
            launch,
            node=node,
            folder=self._folder,
            announce=self._announce,
            injected=self._injected,
            failure=self._unmet.popleft() if self._unmet else next(self._cluster_failures),
            befell=self.recorder.befell,
            spared=self._unmet.append,
        )

    def _announce(self, before: Cluster | None, after: Cluster, now: float) -> None:
        self.recorder.saw(after, now)
        for event in state_events(before, after, now):
            self._events.send(event)


class _Server(http.server.ThreadingHTTPServer):
    daemon_threads = True
    operations: Operations
    authorizer: Authorizer

    def __init__(self, tls: TlsFiles, recorder: Recorder) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.recorder = recorder
        self._tls_context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._tls_context.load_cert_chain(tls.certificate, tls.key)

    def finish_request(self, request: Any, client_address: Any) -> None:
        # Wrapped here, in the connection's own thread, so that a slow handshake delays nobody else.
        try:
            with self._tls_context.wrap_socket(request, server_side=True) as connection:
                super().finish_request(connection, client_address)
        except OSError:
            logger.debug("a connection to the EMR endpoint broke off", exc_info=True)


class _Handler(http.server.BaseHTTPRequestHandler):
    server: _Server

    def do_POST(self) -> None:  # the name that http.server calls
        body = self.rfile.read(int(self.headers.get("Content-Length", "0")))
        try:
            self.server.authorizer.check(dict(self.headers), body)
            request = protocol.parse_request(self.headers.get("X-Amz-Target", ""), body)
            result = self.server.operations.perform(request)
            self._answer(200, protocol.answer(request.operation, result))
        except CallerKilled as killed:
            if kill_peer(self.client_address[1], self.server.server_address[1]):
                self.server.recorder.befell(killed.failure)
        except AnswerLost:
            self.close_connection = True
        except Refused as refused:
            self._answer(refused.status, refused.body)
        except EmrError as error:
            self._answer(error.status, error.to_json())
        except Exception:
            logger.exception("the EMR endpoint failed")
            failure = EmrError("InternalServerException", "the local EMR endpoint failed; see its log", 500)
            self._answer(failure.status, failure.to_json())

    def _answer(self, status: int, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", protocol.CONTENT_TYPE)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("x-amzn-RequestId", str(uuid.uuid4()))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002  # http.server's signature
        logger.debug(format, *args)


def _script(entries: Iterable[_FailureT | None]) -> Iterator[_FailureT | None]:
    """The entries, then None for ever."""
    return itertools.chain(entries, itertools.repeat(None))
