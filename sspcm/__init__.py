"""Semi-supervised pose training, evaluation and prediction (SSPCM, CVPR 2023)."""
