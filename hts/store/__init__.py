"""The only part of hts that touches AiiDA: profile, launch, daemon, query."""
