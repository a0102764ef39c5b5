"""HTTP as clients see it: paths, keys, bodies, answers. Must not know how a call is served or a vendor's fields."""
