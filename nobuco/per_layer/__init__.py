"""Where a quantised file loses its accuracy: its error by layer, beside the PyTorch calls."""
