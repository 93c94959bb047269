"""The life of a run, in the order in which things happen. Pure, or on the protocols of ``ports``.

::

    preflight.py     are the images there, and how many?
    planning.py      manifest to plan; what it will cost. From here on nobody reads the manifest again
    admission.py     whose turn it is: slots, budget, pace
    dispatch.py      queued runs get their clusters, by their plans alone
    sizing.py        executors on machines
    fleets.py        the machines: what is bought on Spot, and what a lost node costs
    job_flow.py      the RunJobFlow request
    tracking.py      the cluster changed: bring the run up to date
    outcome.py       what the cluster's state means for its run
    telling.py       a run ended: status, metrics and message
    notification.py  the message at the end
    run_metrics.py   what is measured of a run that ended
    older_plans.py   what plans of older releases do not hold
    setbacks.py      when a run that could not be dealt with is tried again, and when given up
    run_service.py   record, slot, plan and status of a run, and the guard around each, for all of these
    ports.py         what is needed of the outside world
"""
