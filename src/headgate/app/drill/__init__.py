"""Failures on purpose: what an operator's routes do while upstreams fail, under load, judged by the upstreams' logs."""
