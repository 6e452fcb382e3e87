"""Screening of hydride superconductors: pure physics, the AiiDA store and the command line."""
