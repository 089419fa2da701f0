"""Where the models of a step are trained: in processes here, through a Dask scheduler, or as Slurm's jobs."""
