"""What the package offers: opening, listing, launching on and checking devices. Knows every kind of device."""
