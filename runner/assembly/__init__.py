"""What a synthesised cloud assembly tells by itself: what costs at rest, who may use what, how it hangs together.

Reads `*.template.json` and nothing else: no CDK, no account. Prices come from a dated table beside this.
"""
