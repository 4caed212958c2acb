"""Which side is right: verdicts, finite differences, rounding, Taylor tests, properties."""
