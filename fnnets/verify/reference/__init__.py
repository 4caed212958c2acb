"""What is checked, and its trusted values."""
