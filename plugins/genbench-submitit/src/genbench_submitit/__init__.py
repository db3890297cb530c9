"""An executor that works on a Slurm cluster, by submitit.

Pilots are jobs of Slurm, each of which does one job of genbench after the other; they and the driver meet in
a folder that all nodes see. See `genbench_submitit.spool` for what lies there.
"""

from genbench_submitit.executor import SlurmExecutor

__all__ = ["SlurmExecutor"]
