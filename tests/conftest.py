"""What tests share: Hypothesis without deadlines, for a busy machine is no counter-example.

Before a merge the same examples are tried every time: a change is judged by what it changes. New
ones are looked for by ``make validate``, which loads the profile ``explore``.
"""

from hypothesis import settings

settings.register_profile("midas", deadline=None, derandomize=True)
settings.register_profile("explore", deadline=None, derandomize=False, print_blob=True)
settings.load_profile("midas")
