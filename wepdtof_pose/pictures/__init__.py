"""Pictures of people and frames: annotators, crops, contact sheets, films."""
