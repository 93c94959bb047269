"""``make arm``: the nodes' code on an emulated Graviton machine gives the features of this one, bit by bit.

::

    __main__.py    the pictures, both machines side by side, the verdict
    machine.py     an emulated machine below .local/arm, without root
    features.py    what both machines run
"""
