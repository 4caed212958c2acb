"""The mutants of each family, as data: which text of a backward pass is changed into what."""
