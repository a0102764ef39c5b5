"""Which deployments a call may go to and what follows from a failure. Values in, values out: no clock, no dice."""
