"""AiiDA processes of the screening: one WorkChain a stage, two CalcJobs, and the parsers that read them."""

# AiiDA stores this with every process node, as the version of the plugin that computed it.
__version__ = "0.1.0"
