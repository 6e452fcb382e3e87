"""CalcJobs: ph.x for one irreducible q-point, and epw.x."""
