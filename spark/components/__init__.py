"""Principal components: exact PCA from mergeable moments, and the fitted model as objects."""
