"""PyTorch's own op table, converted whole: each entry to a `.tflite` file of built-in ops, run, and compared."""
