"""From a photograph to a latent and a tuned generator (PTI)."""
