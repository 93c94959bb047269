"""The control plane.

::

    contract/    what Lambdas, Spark steps, infrastructure and commands agree on
    runs/        the life of a run, which the three functions share: pure, or on ports
    aws/         the ports' adapters
    launcher/    the function for uploaded and deleted manifests
    tracker/     the function for EMR's events
    reconciler/  the function that comes every few minutes and makes ledger and EMR agree
    cli/         the command ``fruits``
"""
