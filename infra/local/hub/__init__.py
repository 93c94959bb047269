"""JupyterHub of a workbench's cluster in the local cloud: a real one, set up by the real step.

::

    installation   JupyterHub's own Python environment, and its proxy: installed when somebody needs them
    configuration  what a fresh cluster of EMR has in jupyterhub_config.py, and the notebooks' kernel
    machine        the primary node: a folder for its file system, and processes, of which none is left behind
    credentials    the instance role's, as a machine gets them
    bin, machine.sh  what stands for Docker and systemd on that machine
    session.py     what a kernel has instead of sparkmagic and Livy
"""
