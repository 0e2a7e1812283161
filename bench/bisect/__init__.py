"""The smallest part of a `.tflite` file that a delegate refuses, fails on or computes wrongly.

`recording.py` runs the file on the CPU and keeps every tensor; `trial.py` launches a part of it; `search.py` finds the
smallest one; `told.py` says what was found, ready to be pasted into a bug report."""
