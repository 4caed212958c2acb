"""Fast forms of what `fnnets.layers` states plainly: windows, convolution, scan."""
