"""What is read from traced programs: marks, precision, kinks, dependence."""
