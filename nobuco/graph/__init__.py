"""The calls that are converted, in order, and the values between them."""
