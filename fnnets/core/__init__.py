"""The types of fnnets and what layers, networks, training and verification share."""
