#!/bin/bash
# Submits round 0, and the job that merges afterwards.
set -euo pipefail
cd /state
array=$(sbatch --parsable round-0.sh)
echo "array $array" | tee round-0.jobs
merge=$(sbatch --parsable --dependency="afterany:${array%%;*}" merge-0.sh)
echo "merge $merge" | tee -a round-0.jobs
