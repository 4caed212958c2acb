"""The place and the diagnosis of a wrong gradient."""
