"""`fruits doctor`: will a deployment work, and is what was deployed as it should be? Nothing is changed.

``finding`` is what a check says, ``examination`` how checks are carried out. ``workplace`` and ``packages``
look at this machine, ``account`` at the AWS account, and at a deployed stack ``deployed`` (the parts that
carry it), ``guards`` (what protects it) and ``health`` (what happens now). ``trial`` sends a small data set
through the whole system, when asked to. ``endpoints`` knows those that a shell names for AWS. ``views`` turns
findings into text.

Checks are pure functions of facts; the adapters that read the facts take their clients.
"""
