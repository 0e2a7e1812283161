"""The embedded runner: a small C program of ours around libLiteRt.so, built for a device on first use."""
