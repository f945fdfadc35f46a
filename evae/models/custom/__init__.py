"""Networks other than Appendix B's: a small built-in one, and the user's own.

A network of the user's own is an encoder and a decoder, any two modules. The encoder maps images (N, C, S, S) in [0, 1]
to features (N, F), from which fully connected layers make the parameters of the posterior, so that the same encoder
serves every posterior; or to a dictionary of these parameters by name. The decoder maps codes (N, d_z) to logits
(N, C, S, S).
"""
