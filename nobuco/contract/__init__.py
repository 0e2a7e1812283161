"""What a node converter is told, may ask and may return: the ground floor, which imports no other room of nobuco."""
