"""The one training loop, what a model is trained towards, adversarial perturbations, pruning."""
