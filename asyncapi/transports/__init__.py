"""What carries an attempt over the wire, or pretends to: one file each, one verb `send`, one end `aclose`."""
