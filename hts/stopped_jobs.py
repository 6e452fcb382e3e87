"""What tells a job that a monitor ended early from one that failed: its exit code, and when it was ended."""

# AiiDA's exit code STOPPED_BY_MONITOR; here a q-point that an imaginary mode had made superfluous.
STOPPED_BY_MONITOR = 150
# Extra of such a job, seconds since 1970: its script can't stamp its end itself any more.
STOPPED_KEY = "hts_stopped_at"
