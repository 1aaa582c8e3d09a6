"""A synthetic hospital: deterministic, seeded, and made of values that nobody was ever given."""
