"""Text: data, architectures and the steps that make its zoo of models."""
