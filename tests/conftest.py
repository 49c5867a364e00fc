"""What tests share: Hypothesis without deadlines, for a busy machine is no counter-example."""

from hypothesis import settings

settings.register_profile("midas", deadline=None)
settings.load_profile("midas")
