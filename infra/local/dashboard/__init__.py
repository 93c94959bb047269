"""The stack's dashboard as a page: its very definition, with the metrics of the local cloud.

``metrics`` does what CloudWatch does by itself on AWS, ``panels`` says what there is to show, ``reading``
looks it up, ``chart`` and ``page`` draw it, and ``rendering`` does all that.
`python -m infra.local.dashboard` (``make dashboard``) lets a few runs happen first.
"""
