"""ToyHeads: an endless procedural family of stylised heads with exact pictures, depth and shape.

    latent z [B, 92] → traits → parts (clipped quadrics with colours) → pictures, points, landmarks

Geometry is in the world of `cameras.py`, all of it within the cube [−½, ½]³. Colour is a function
of the 3D point alone, never of the direction of view, so that a radiance volume can hold a head
exactly.
"""
