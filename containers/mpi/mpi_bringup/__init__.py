"""The bring-up: from the nodes of one multi-node parallel job to one MPI program."""
