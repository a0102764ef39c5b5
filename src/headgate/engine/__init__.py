"""Conducts a call: the order in which things happen. Must not know HTTP paths, SQL, or a vendor's field names."""
