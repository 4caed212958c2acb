"""The report of a check: its data, its text, its terminal and figure forms."""
