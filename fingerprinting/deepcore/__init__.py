"""DeepCore: core points, the radius around them, identification by clustering, its observations."""
