"""Failover under load: the scenarios of `headgate drill` against Headgate and its peers, side by side."""
