"""The way in for every series: reading, time, grids, containers."""
