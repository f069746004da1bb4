"""People in, batches out: the sets of a run, their crops, who meets in a step."""
