"""What the commands of the command line do. Must not know how their options are spelt."""
