"""A local Amazon EMR: the API that boto3 speaks, the lifecycle, and steps that really run.

::

    protocol           AWS JSON 1.1: requests validated and answers written per botocore's service model
    authorization      may this caller do that? Asked of the local AWS, signature and policies included
    operations         what each API operation means
    account            what is kept beside clusters: security configurations, the block on public access
    lifecycle          the states of clusters and steps, pure
    cluster            one thread a cluster that carries out what the lifecycle says comes next
    node               programs run as a node of the cluster would, with its role's credentials
    spark_cluster      Spark's master, and a worker process for each node, which is replaced when it is lost
    interpreter        the nodes' Python, which lacks the repository's own code
    process            a program and all its children, ended as one
    logs               step logs as EMR keeps them
    events             state changes, told to EventBridge's targets
    injected_failures  what to let go wrong, for tests
    recorder           what really happened, for tests
    endpoint           all of it together, behind HTTPS
"""

from infra.local.emr.endpoint import EmrEndpoint
from infra.local.emr.injected_failures import InjectedFailures
from infra.local.emr.recorder import Recorder

__all__ = ["EmrEndpoint", "InjectedFailures", "Recorder"]
