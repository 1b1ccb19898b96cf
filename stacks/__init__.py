"""Units of deployment: constructs, grants, outputs and tags; properties of resources are the constructs' matter."""
