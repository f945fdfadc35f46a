"""What holds for every test."""

from hypothesis import settings

# The same examples in every run, so that a failure can be repeated; no deadline, for a busy machine is no defect.
settings.register_profile("house", derandomize=True, deadline=None)
settings.load_profile("house")
