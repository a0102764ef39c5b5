"""The benchmark: Headgate beside nginx (the limit) and beside its peers, in one run, as ratios. `make bench`."""
