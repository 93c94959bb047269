"""What the Lambdas, the Spark steps and the infrastructure agree on.

Pure and free of I/O. Only :mod:`lambdas.contract.manifest` and its helpers ``fields`` and
``translation`` need more than the standard library (pydantic); Spark workers import everything else
from a plain zip.
"""
