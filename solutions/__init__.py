"""Reference solutions of the fourteen exercises, a module per topic.

preprocessing   1  look at the data
rotations       2  quaternions and axis-angle vectors to rotation matrices; 9  a continuous orientation
tracking        3  project points to pixels, draw a track
rendering       4, 5, 6  DIB-R, absorption under water, the renderer
fitting         7  the optimisation loop
results         8  the output video; 10  length, volume and mass
measuring       11 to 14  altitudes, apparent depth, a length's interval, volume from widths

recipes         the default fit and the tutorial's: start, losses, weights and rates of each
"""
