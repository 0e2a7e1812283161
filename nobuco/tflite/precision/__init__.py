"""Files that compute in fewer bits than float32: made from the finished float file, and compared with it."""
