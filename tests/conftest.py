"""What holds for all tests."""

from hypothesis import HealthCheck, settings

# How fast examples are made says something about the machine, nothing about the code.
settings.register_profile("headgate", max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("headgate")
