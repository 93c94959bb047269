"""The reconciler Lambda: every few minutes, what the ledger says and what EMR shows are made to agree.

``handler`` is the entry point; ``looking`` looks; ``repairs`` decides, purely, what does not agree and what
to do about it; ``reconcile`` does it, then dispatches what had to wait.
"""
