"""Several devices and several processes: sharding, joining, launching."""
