"""The comparison in the README: what nobuco's original README published, measured again."""
