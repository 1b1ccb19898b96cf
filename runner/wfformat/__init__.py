"""WfCommons' WfFormat: traces of other people's workflow runs read, and runs of ours written."""
