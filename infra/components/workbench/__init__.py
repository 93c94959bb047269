"""The files that make a cluster a workbench; they run on its primary node, and in JupyterHub's container."""
