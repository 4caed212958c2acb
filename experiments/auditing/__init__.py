"""The audit of public libraries: calls that reach their derivative rules, what was found, and what of it is a fault."""
