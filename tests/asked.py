"""The small reproduction with a user's file that several files of tests look at."""

from pathlib import Path

OWN = Path(__file__).with_name("own_variant.py")
ASKED = "reproduce --profile smoke --tasks resaturation --methods affine regressor nn".split()
ASKED += ["--use", str(OWN)]
