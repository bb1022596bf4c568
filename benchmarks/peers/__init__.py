"""What one may use instead of Frontline, measured with the same weights on the same texts.

A file named after a peer is that peer. It runs in an environment of what its `.txt` pins, and imports nothing of
Frontline. What differs: peers read the first 128 tokens of a text, where Frontline reads on in further windows, and
they prepare no text, calibrate nothing and know no metadata, severity or priority, all in their favour; those in torch
run in float32, where the shipped graph is int8. Without `--weights` the peers in torch hold the packaged base encoder
with random heads, as many as the bundle has: the speed does not depend on the values.
"""
